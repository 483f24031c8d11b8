// Package loopback has TCP servers for tests, at loopback addresses and free ports: what
// package lab puts servers in memory, slow lines and broken ones on. It knows connections,
// and must not know what is said over them.
package loopback
