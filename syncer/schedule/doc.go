// Package schedule orders accounts by what is due when: who is connected first, then everybody's
// INBOX, then the rest. It is pure.
//
// It must not know what is done when an account's turn has come.
package schedule
