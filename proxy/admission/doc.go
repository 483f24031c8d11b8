// Package admission says which clients may come in, and when: the Door who may be connected
// (silent connections make room for others), the Guard when a login may be tried (whoever guesses
// passwords waits), and the Queue when the new server is asked (each login name has its turn). It
// counts, and knows nothing of IMAP, of accounts, or of what is said to those who wait.
package admission
