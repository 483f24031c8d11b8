// Command postferry moves a mail domain from an old server to a new one while
// people go on reading their mail.
//
// This package holds the flags, the wiring and the signals. It is the only one
// that knows all the others; it decides nothing about IMAP, copying or storage.
//
// # Files
//
//   - root.go: the command tree, exit statuses, how errors are shown
//   - serve.go, daemon.go: the daemon and its life
//   - control*.go: the socket over which the other commands reach the daemon
//   - backend.go, local.go, remote.go: what import, sync and status need, done
//     in this process or by the daemon
//   - access*.go: who may use the import page
//   - trace.go: the protocol trace of serve and sync
//   - import.go, sync*.go, verify*.go, status*.go, quarantine*.go, demo*.go, version.go: one command each
package main
