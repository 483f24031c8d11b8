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
//   - open.go: reaching the state, in this process or through the daemon that holds it
//     (a control.Client); what is done with a state is in internal/backend
//   - domains.go, signins.go: what the state has of domains, made known beside the configuration
//   - what commands show, but for a few lines of their own, is in internal/console
//   - admin_page.go: the import page of the daemon
//   - trace.go: the protocol trace of serve and sync
//   - log.go, output.go, signals.go, systemd.go, descriptors.go: what several commands share of their surroundings
//   - the others are commands, named after them (access.go is "postferry admin")
package main
