// Package request is what pages and API share of a request over HTTP: who asks (a session's cookie,
// a token, an address), what its path and its query say, what status a refusal has, how long it may
// take, and a stream of events.
//
// It must not know which pages and operations there are, nor what they say.
package request
