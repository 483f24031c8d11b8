// Package demo is the tour of "postferry demo": two small mail servers in memory (package
// servers) with Postferry between them, a mail client that walks through a move and checks
// each claim by looking at the servers directly, and an import page on which more accounts move.
//
// It looks at Postferry from outside, as a mail client and over the control socket; the little
// it needs besides is in Daemon. It must not know how a daemon is put together.
package demo
