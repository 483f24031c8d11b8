// Package servers has the two mail servers of the demo, in memory: an old one with sample mail
// and an empty new one, and a way to look at what is in their folders. It knows nothing of
// Postferry.
package servers
