package store

import "time"

// Domain is a mail domain that an administrator has set up while Postferry
// runs. Those of the configuration file are not in the store.
type Domain struct {
	Name string // in lower case; unique
	// Old and New are the servers, as URLs that config.ParseServer reads.
	Old string
	New string
	// OldFingerprint and NewFingerprint are the SHA-256 of the one certificate
	// to accept; nil to check the chain.
	OldFingerprint []byte
	NewFingerprint []byte
	Enrol          bool // whether people may enrol themselves by logging in
	Created        time.Time
}

// Schedule says when the accounts of a domain, whichever place it was set up
// in, are passed over again. A domain without one has the configuration's
// sync.interval and no end.
type Schedule struct {
	Domain string // in lower case
	// Every is the time between the beginnings of two runs; at least a minute.
	Every time.Duration
	// From is when the first run begins; the others follow every Every.
	From time.Time
	// Until ends it: no run begins later. The zero time means never.
	Until time.Time
}
