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
	// OldCA and NewCA are the certificates of the authorities to trust instead of the system's, in PEM form; "" for those.
	OldCA, NewCA string
	Enrol        bool // whether people may enrol themselves by logging in
	Created      time.Time
	// OldSetBy is who answers for the old server. The new one is always the choice of
	// those who look after everything.
	OldSetBy Setter
	// OldTLS10 accepts encryption of the old server that nobody should use any more (see config.Server).
	OldTLS10 bool
	Rules    DomainRules
	// Recipients are told by e-mail how the move goes on, besides those of the configuration.
	Recipients []Recipient
	// Webhooks are posted to likewise.
	Webhooks []Webhook
}

// Recipient is somebody who is told how a domain's move goes on.
type Recipient struct {
	To       string // mail address
	Language string // of the page's texts
}

// Webhook is a web server that is told how a domain's move goes on.
type Webhook struct {
	ID       string // of its own, made by chance
	URL      Secret // it may have a secret in it
	Key      Secret // what is posted is signed with
	Language string // of the page's texts
}

// Setter is who has chosen a server.
type Setter string

const (
	// SetByUnknown: the row was written before it was kept. They may have been anybody.
	SetByUnknown Setter = ""
	// SetByAll: an administrator of everything has, or has accepted it.
	SetByAll Setter = "all"
	// SetByDomain: somebody who looks after this domain only has.
	SetByDomain Setter = "domain"
)

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

// Next is when the first run after a time begins; ok is false if there is none any more.
func (s Schedule) Next(after time.Time) (begins time.Time, ok bool) {
	begins = s.From
	if !after.Before(s.From) {
		begins = s.From.Add((after.Sub(s.From)/s.Every + 1) * s.Every)
	}
	return begins, s.Until.IsZero() || !begins.After(s.Until)
}

// Newest is when the newest run that has begun by a time began; ok is false if
// none has.
func (s Schedule) Newest(by time.Time) (began time.Time, ok bool) {
	if !s.Until.IsZero() && by.After(s.Until) {
		by = s.Until
	}
	if by.Before(s.From) {
		return time.Time{}, false
	}
	return s.From.Add(by.Sub(s.From) / s.Every * s.Every), true
}
