// Package nameserver has DNS servers for tests: a zone whose records a test changes, and
// resolvers that remember what they were told for as long as they may. It must not know who
// asks, nor what for.
package nameserver
