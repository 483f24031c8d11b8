// Package config reads what an administrator writes: the configuration file
// and lists of accounts.
//
// Both are read to the end before anything is said about them. Every mistake
// is then reported at once, with its line and what was expected, and nothing
// is taken over as long as there is one. Passwords never appear in what is
// reported.
//
// Of Postferry it knows only the type of secrets and how text is compared without its case. It looks at the files that
// the configuration names (certificates and keys), but opens no connection,
// except that CheckListen tries whether the listening addresses are free.
package config
