package discover

import (
	"time"
)

// Report is what was looked at and what came of it. Fields may join; those
// that are there keep their names and meaning.
type Report struct {
	Query    string    `json:"query"`  // as it was entered
	Domain   string    `json:"domain"` // in its ASCII form
	Unicode  string    `json:"domain_unicode"`
	Found    *Found    `json:"found"` // nil if there is none
	Why      []Message `json:"why"`   // why it is that one; or why there is none
	Notes    []Message `json:"notes"` // what the administrator should know besides
	MX       MX        `json:"mx"`
	Lookups  []Lookup  `json:"lookups"`
	Attempts []Attempt `json:"attempts"` // in order of preference
	Millis   int64     `json:"duration_ms"`
}

// Found is the old server.
type Found struct {
	Attempt  int      `json:"attempt"` // its number
	Protocol Protocol `json:"protocol"`
	Security Security `json:"security"`
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	URL      string   `json:"url"` // as the configuration wants it
	// Fingerprint is the certificate's SHA-256 if it must be pinned to be
	// accepted, because something is wrong with it; "" otherwise.
	Fingerprint string `json:"fingerprint"`
	// Login is what people log in with, if the domain says so.
	Login *LoginForm `json:"login"`
}

// MXState says how far the change of a domain's MX is.
type MXState string

// The states.
const (
	MXMoved    MXState = "moved"     // all lead to the new server
	MXPartly   MXState = "partly"    // some do
	MXNotMoved MXState = "not_moved" // none does
	MXNone     MXState = "none"      // the domain takes no mail (RFC 7505)
	MXUnknown  MXState = "unknown"   // DNS gave no answer, or no new server is known
)

// MX is where a domain's mail is delivered.
type MX struct {
	State   MXState  `json:"state"`
	Hosts   []MXHost `json:"hosts"` // by preference
	Seconds int64    `json:"ttl"`   // how long others may go on using what they know; 0 if unknown
	Message Message  `json:"message"`
}

// MXHost is one of the hosts that take a domain's mail.
type MXHost struct {
	Name       string `json:"name"`
	Preference int    `json:"preference"`
	New        bool   `json:"new"`   // it is the new server, or beside it
	Match      Match  `json:"match"` // how that shows; "" if it is not
}

// Match is how a host is known to be the new server.
type Match string

// The ways: the same name or address; or the same provider, which says less.
const (
	MatchAddress  Match = "address"
	MatchProvider Match = "provider"
)

// Lookup is a question to DNS or a web server.
type Lookup struct {
	Source Source  `json:"source"`
	Asked  string  `json:"asked"` // "SRV _imaps._tcp.example.com", "https://..."
	Result Message `json:"result"`
	Millis int64   `json:"duration_ms"`
}

// Attempt is a candidate and how it answered.
type Attempt struct {
	Number   int      `json:"number"` // from 1
	Source   Source   `json:"source"`
	Protocol Protocol `json:"protocol"`
	Security Security `json:"security"`
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	URL      string   `json:"url"`
	Address  string   `json:"address"` // the one connected to; "" if none
	Outcome  Message  `json:"outcome"`
	// Usable: a mail server answers there. Trusted: it can be used as it is,
	// with protection and a certificate that is in order.
	Usable       bool         `json:"usable"`
	Trusted      bool         `json:"trusted"`
	Product      string       `json:"product"` // of the server, as far as it shows
	Greeting     string       `json:"greeting"`
	Capabilities []string     `json:"capabilities"`
	Certificate  *Certificate `json:"certificate"`
	Millis       int64        `json:"duration_ms"`
}

// Certificate is what a server showed of itself.
type Certificate struct {
	Fingerprint string    `json:"fingerprint"` // SHA-256 of it, AB:CD:...
	Names       []string  `json:"names"`       // at most 20
	Issuer      string    `json:"issuer"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Problems    []Message `json:"problems"` // empty if it is in order
}

// LoginForm is how a login looks at the old server.
type LoginForm struct {
	Form     string `json:"form"`     // address, local_part, other
	Template string `json:"template"` // as published: "%EMAILADDRESS%"
	Example  string `json:"example"`  // for the address that was asked for
}

// The forms of a login.
const (
	FormAddress   = "address"    // anna@example.com
	FormLocalPart = "local_part" // anna
	FormOther     = "other"
)

// Source is where a candidate comes from.
type Source string

// The sources, in the order in which they are believed.
const (
	SourceSRV        Source = "srv"
	SourceAutoconfig Source = "autoconfig"
	SourceProvider   Source = "provider" // the MX belongs to a provider whose servers are known
	SourceMX         Source = "mx"       // the MX host, and names beside it
	SourceNames      Source = "names"    // what mail servers are usually called
	SourceNamed      Source = "named"    // somebody has named it
)

// Protocol is the language a server speaks.
type Protocol string

// The protocols.
const (
	IMAP Protocol = "imap"
	POP3 Protocol = "pop3"
)

// Security is how a connection is protected.
type Security string

// The protections.
const (
	TLS       Security = "tls"      // from the first byte
	StartTLS  Security = "starttls" // STARTTLS or STLS before the login
	Plaintext Security = "none"
)

// millis is the time since start.
func millis(start time.Time) int64 { return time.Since(start).Milliseconds() }
