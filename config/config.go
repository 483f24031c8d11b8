package config

import (
	"cmp"
	"net"
	"net/netip"
	"time"
)

// Config is a whole configuration, with the defaults filled in.
type Config struct {
	State   string // directory; absolute after Load
	Proxy   Proxy
	Admin   Admin
	Sync    Sync
	Watch   Watch
	Notify  Notify
	Log     Log
	Domains []Domain // those of the file
	// Directory also has the domains that are not in the file. Without one, nil,
	// there are none.
	Directory *Directory

	source source
}

// source remembers where in which file the listeners were given, for checks
// that can only be made later.
type source struct {
	file  string
	lines map[string]int // "proxy.imaps" -> line
}

// Proxy is the client's side.
type Proxy struct {
	IMAPS          string // listen address, implicit TLS; "" for none
	IMAP           string // listen address, STARTTLS; "" for none
	Cert, Key      string // PEM files, absolute after Load; "" for a self-signed pair in State
	AllowPlaintext bool   // accept logins without TLS
	// VisitWait bounds how long a client's SELECT is held back while its
	// folder is filled.
	VisitWait time.Duration
	// StatusWait bounds how long a client's STATUS is held back, or all of a LIST-STATUS.
	StatusWait time.Duration
	// SearchWait bounds how long a client's search is held back.
	SearchWait time.Duration
	// VisitWindow is how many of the newest messages come first in a folder that
	// can't be filled while a client waits.
	VisitWindow int
	// VisitOrder is in what order such a folder comes, and stays.
	VisitOrder string
	// ProxyProtocolFrom are the load balancers whose connections begin with a header of the
	// PROXY protocol.
	ProxyProtocolFrom []netip.Prefix
	// Compress offers COMPRESS=DEFLATE (RFC 4978) to clients.
	Compress bool
	// ACME are the names that certificates are got for by themselves; none for files or a
	// self-signed one.
	ACME ACME
	// MaxConnections bounds the clients connected at the same time.
	MaxConnections int
}

// Admin is the import page.
type Admin struct {
	Listen    string // address; "" for no page
	Cert, Key string // PEM files, absolute after Load; "" for those of Proxy, or none at a loopback address
	New       string // URL of the new server that is offered; "" for none
	PublicURL string // where the page is reached from elsewhere, without a slash at the end; "" for nowhere
}

// Loopback tells whether only this machine reaches the page's address.
func (a Admin) Loopback() bool {
	host, _, err := net.SplitHostPort(a.Listen)
	return err == nil && loopback(host)
}

// ACME is how certificates are got from an authority that gives them by itself (RFC 8555).
type ACME struct {
	Hosts     []string // what clients connect to
	Email     string   // whom the authority may write to
	Directory string   // URL of the authority
	Listen    string   // where the authority looks whether the names are ours (HTTP, port 80)
}

// LetsEncrypt is the authority that is asked where no other is named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// In what order a folder comes that can't be filled while a client waits.
const (
	// OrderRestored: the newest messages first; when all are there, they are put behind the others.
	OrderRestored = "reorder"
	// OrderNewest: the newest messages first, and they stay the first ones.
	OrderNewest = "newest"
	// OrderArrival: all in the order of their arrival, however long the newest take.
	OrderArrival = "arrival"
)

// Sync is the engine's side.
type Sync struct {
	Memory         int64         // octets of message bodies in flight at most
	OldConnections int           // connections to one old server at most
	NewConnections int           // connections to one new server at most
	Interval       time.Duration // between the repeat passes of an account
	Stall          time.Duration // a connection without a byte for so long is given up
	MaxFolders     int           // folders made for one account at most; 0 for no bound
}

// Log is what is logged, to standard error.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // auto (text on a terminal), text, json
}

// Domain is one mail domain with its pair of servers and its policy.
type Domain struct {
	Name    string // in lower case
	Default bool   // takes the logins without @
	Old     Server
	New     Server
	Enrol   bool
	Logins  int // clients' logins tried at the new server at the same time; 0 for DefaultLogins
	// WayBack copies mail that arrives at the new server after the MX has moved back to the old one.
	WayBack bool
	Stored  bool // it was set up while Postferry runs, and may change
	Folders Folders
	Limits  Limits // of all its accounts together
	Account AccountLimits
	// Recipients were added while Postferry runs; they are told about this domain.
	Recipients []Recipient
}

// Folders are what a domain wants for certain folders. Names are those that
// people see: decoded, in Unicode's NFC, with "/" between the parts and without
// the prefix of a server's personal namespace.
type Folders struct {
	// Map gives folders of the old server another name on the new one. Those
	// below them follow.
	Map map[string]string
	// Skip are patterns of folders that are left alone with all below them,
	// unless Map has them: "*" stands for any characters but "/", "?" for one.
	// The case does not matter.
	Skip []string
	// CopyViews is for folders that show mail of others (Gmail's All Mail,
	// Important and Starred), CopyShared for those of other people's and public
	// namespaces (RFC 2342).
	CopyViews, CopyShared bool
}

// Limits bound how fast mail is copied; 0 for no bound.
type Limits struct {
	MessagesPerSecond int
	// BytesPerSecond bounds the octets read from the old server, and those
	// written to the new one.
	BytesPerSecond int64
}

// AccountLimits bound what is done for one account; 0 for no bound.
type AccountLimits struct {
	Limits
	Connections int // to either server at the same time; 0 for DefaultConnections
	// OldBytesPerDay bounds the octets read from the old server within 24 hours,
	// NewBytesPerDay those written to the new one.
	OldBytesPerDay, NewBytesPerDay int64
	// Given says which of them somebody has chosen.
	Given GivenLimits
}

// GivenLimits are the limits that somebody has chosen; what a provider wants gives way to them.
type GivenLimits struct{ Connections, OldBytesPerDay, NewBytesPerDay bool }

// DefaultLogins is how many logins of clients are tried at a new server at the same time.
const DefaultLogins = 100

// LoginsAtOnce is how many logins of clients are tried at the new server at the same time.
func (d *Domain) LoginsAtOnce() int { return cmp.Or(d.Logins, DefaultLogins) }

// Connections is how many connections an account has to either server at most.
func (d *Domain) Connections() int { return cmp.Or(d.Account.Connections, DefaultConnections) }

// DefaultConnections is how many connections an account has to either server at most.
const DefaultConnections = 4

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		State: "/var/lib/postferry",
		Proxy: Proxy{
			IMAPS:          ":993",
			IMAP:           ":143",
			VisitWait:      20 * time.Second,
			VisitWindow:    200,
			VisitOrder:     OrderRestored,
			ACME:           ACME{Directory: LetsEncrypt, Listen: ":80"},
			StatusWait:     300 * time.Millisecond,
			SearchWait:     5 * time.Second,
			MaxConnections: 4096,
		},
		Admin: Admin{Listen: "127.0.0.1:8143"},
		Sync: Sync{
			Memory:         16 << 20,
			OldConnections: 20,
			NewConnections: 20,
			Interval:       15 * time.Minute,
			Stall:          time.Minute,
			MaxFolders:     10_000,
		},
		Watch:  Watch{Every: 5 * time.Minute, Quiet: 48 * time.Hour, Connections: 100},
		Notify: Notify{Digest: 7 * time.Hour},
		Log:    Log{Level: "info", Format: "auto"},
	}
}

// DomainOf is that of the Directory.
func (c *Config) DomainOf(login string) (*Domain, bool) { return c.directory().DomainOf(login) }

// DomainNamed is that of the Directory.
func (c *Config) DomainNamed(name string) (*Domain, bool) { return c.directory().DomainNamed(name) }

// AllDomains is All of the Directory.
func (c *Config) AllDomains() []Domain { return c.directory().All() }

func (c *Config) directory() *Directory {
	if c.Directory != nil {
		return c.Directory
	}
	return NewDirectory(c.Domains)
}
