// Package certificate gives out what clients are shown: the pair of files that is configured, which
// is followed when it changes; without one a self-signed pair, which is kept in the state directory;
// or certificates that are got and renewed by themselves (ACME, RFC 8555). It must not know who
// the clients are, nor what they speak.
package certificate
