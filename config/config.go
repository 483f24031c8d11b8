package config

import "time"

// Config is a whole configuration, with the defaults filled in.
type Config struct {
	State   string // directory; absolute after Load
	Proxy   Proxy
	Sync    Sync
	Log     Log
	Domains []Domain
}

// Proxy is the client's side.
type Proxy struct {
	IMAPS          string // listen address, implicit TLS; "" for none
	IMAP           string // listen address, STARTTLS; "" for none
	Cert, Key      string // PEM files; "" for a self-signed pair in State
	AllowPlaintext bool   // accept logins without TLS
	// VisitWait bounds how long a client's SELECT is held back while its
	// folder is filled.
	VisitWait time.Duration
	// MaxConnections bounds the clients connected at the same time.
	MaxConnections int
}

// Sync is the engine's side.
type Sync struct {
	Memory         int64         // octets of message bodies in flight at most
	OldConnections int           // connections to one old server at most
	NewConnections int           // connections to one new server at most
	Interval       time.Duration // between the repeat passes of an account
	Stall          time.Duration // a connection without a byte for so long is given up
}

// Log is what is logged, to standard error.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // auto (text on a terminal), text, json
}

// Domain is one mail domain with its pair of servers and its policy.
type Domain struct {
	Name    string
	Default bool // takes the logins without @
	Old     Server
	New     Server
	Enrol   bool
}

// Security is how a connection is protected.
type Security string

const (
	ImplicitTLS Security = "imaps"         // TLS from the first byte
	StartTLS    Security = "imap"          // STARTTLS required before login
	Insecure    Security = "imap+insecure" // plain text, only where written out
)

// Server is where one side's mail lives and how it is reached.
type Server struct {
	Security Security
	Host     string
	Port     int
	CA       string // PEM file with the authorities to trust instead of the system's; "" for those
	// Fingerprint is the SHA-256 of the one certificate to accept, whatever
	// its name, issuer or dates; nil to check the chain.
	Fingerprint []byte
}
