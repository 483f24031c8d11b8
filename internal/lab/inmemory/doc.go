// Package inmemory has connections and servers for tests that need no network: whoever waits at one of them
// waits durably in the sense of testing/synctest, so that time in a bubble passes. It knows connections, and must not know
// what is said over them.
package inmemory
