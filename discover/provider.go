package discover

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"postferry/config"
)

//go:embed providers.toml
var providersFile []byte

// signIn is what mail programs sign in with at a provider.
type signIn string

const (
	withPassword    signIn = "password"
	withAppPassword signIn = "app_password"
	withToken       signIn = "token"
	withNothing     signIn = "none"   // no mail programs
	isFilter        signIn = "filter" // passes mail on
)

// provider is somebody whose hosts are known, and what that says of the servers of
// their customers. providers.toml says what each field means.
type provider struct {
	Name        string   `toml:"name"`
	ID          string   `toml:"id"`
	MX          []string `toml:"mx"`
	Hosts       []string `toml:"hosts"`
	IMAP        string   `toml:"imap"`
	POP3        string   `toml:"pop3"`
	SignIn      signIn   `toml:"sign_in"`
	Page        string   `toml:"page"`
	Switch      bool     `toml:"switch"`
	Recent      int      `toml:"recent"`
	Window      int      `toml:"window"`
	Connections int      `toml:"connections"`
	Down        int64    `toml:"down"`
	Up          int64    `toml:"up"`
	Message     int64    `toml:"message"`
	Hints       bool     `toml:"hints"`

	imap, pop3 config.Server // "" as hosts if there are none
}

// providers are those of providers.toml, which a test reads as well.
var providers = sync.OnceValue(func() []provider {
	all, err := readProviders(providersFile)
	if err != nil {
		panic("discover: providers.toml: " + err.Error()) // it is part of the program
	}
	return all
})

func readProviders(text []byte) ([]provider, error) {
	var file struct {
		Provider []provider `toml:"provider"`
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	for i := range file.Provider {
		p := &file.Provider[i]
		for url, server := range map[string]*config.Server{p.IMAP: &p.imap, p.POP3: &p.pop3} {
			var err error
			if *server, err = config.ParseServer(url); url != "" && err != nil {
				return nil, fmt.Errorf("%s: %s: %w", p.Name, url, err)
			}
		}
	}
	return file.Provider, nil
}

// providerOf is the one an MX belongs to. The longest suffix wins.
func providerOf(mx string) (best provider, known bool) {
	return longest(mx, func(p provider) []string { return p.MX })
}

// providerOfHost is the one whose customers read their mail at a host.
func providerOfHost(host string) (provider, bool) {
	return longest(strings.ToLower(host), func(p provider) []string { return append([]string{p.imap.Host, p.pop3.Host}, p.Hosts...) })
}

// longest finds the provider with the longest name that a host is or lies below.
func longest(host string, names func(provider) []string) (best provider, known bool) {
	length := 0
	for _, p := range providers() {
		for _, name := range names(p) {
			if len(name) > length && under(host, name) {
				best, known, length = p, true, len(name)
			}
		}
	}
	return best, known
}

func (s *search) offerProvider(p provider) {
	for protocol, server := range map[Protocol]config.Server{IMAP: p.imap, POP3: p.pop3} {
		if server.Host != "" {
			s.offer(candidate{source: SourceProvider, protocol: protocol, security: TLS, host: server.Host, port: server.Port, provider: p.Name})
		}
	}
}

// noteProvider says what is to be known of whoever takes the domain's mail.
func (s *search) noteProvider(p provider, mx string) {
	for _, m := range append(p.signInNotes(mx), p.oldNotes()...) {
		s.note(m)
	}
}

// signInNotes say what signing in takes. host is the one by which the provider was recognised.
func (p provider) signInNotes(host string) (notes []Message) {
	code := map[signIn]Code{withAppPassword: codeAppPassword, withNothing: codeNoIMAP, isFilter: codeFilter, withToken: codeMicrosoft}[p.SignIn]
	if p.ID == "google" {
		code = codeGoogle
	}
	if code != "" {
		notes = append(notes, say(code, "provider", p.Name, "host", host, "page", p.Page))
	}
	if p.Switch {
		notes = append(notes, say(codeSwitch, "provider", p.Name, "page", p.Page))
	}
	return notes
}

// oldNotes say what is peculiar about it as an old server.
func (p provider) oldNotes() (notes []Message) {
	if p.Recent > 0 {
		notes = append(notes, say(codeRecent, "provider", p.Name, "days", strconv.Itoa(p.Recent), "page", p.Page))
	}
	if p.Window > 0 {
		notes = append(notes, say(codeWindow, "provider", p.Name, "messages", strconv.Itoa(p.Window)))
	}
	if p.Down > 0 {
		notes = append(notes, say(codeDaily, "provider", p.Name, "size", megabytes(p.Down), "kept", megabytes(budget(p.Down)), "key", "old_bytes_per_day"))
	}
	return append(notes, p.hintNotes()...)
}

// newNotes say what is peculiar about it as a new server.
func (p provider) newNotes() (notes []Message) {
	if p.Message > 0 {
		notes = append(notes, say(codeMessageSize, "provider", p.Name, "size", megabytes(p.Message)))
	}
	if p.Up > 0 {
		notes = append(notes, say(codeDaily, "provider", p.Name, "size", megabytes(p.Up), "kept", megabytes(budget(p.Up)), "key", "new_bytes_per_day"))
	}
	return append(notes, p.hintNotes()...)
}

func (p provider) hintNotes() []Message {
	if !p.Hints {
		return nil
	}
	return []Message{say(codeHints, "provider", p.Name)}
}

// megabytes is a size as providers tell it.
func megabytes(octets int64) string { return strconv.FormatInt(octets/1_000_000, 10) + " MB" }

// budget is what we take of a day's limit: what is not mail (lists, headers) counts there, too.
func budget(limit int64) int64 { return limit / 100 * 96 }

// Complete gives a domain the limits of the providers that its servers belong to, where
// nobody has chosen others.
func Complete(d *config.Domain) {
	from, _ := providerOfHost(d.Old.Host)
	to, _ := providerOfHost(d.New.Host)
	a := &d.Account
	if !a.Given.OldBytesPerDay {
		a.OldBytesPerDay = budget(from.Down)
	}
	if !a.Given.NewBytesPerDay {
		a.NewBytesPerDay = budget(to.Up)
	}
	for _, most := range []int{from.Connections, to.Connections} {
		if !a.Given.Connections && most > 0 && most < d.Connections() {
			a.Connections = most
		}
	}
}

// Peculiarities are what an administrator should know of a domain's two servers, by the
// providers that they belong to.
func Peculiarities(d config.Domain) (notes []Message) {
	if p, ok := providerOfHost(d.Old.Host); ok {
		notes = append(append(notes, p.signInNotes(d.Old.Host)...), p.oldNotes()...)
	}
	if p, ok := providerOfHost(d.New.Host); ok {
		notes = append(append(notes, p.signInNotes(d.New.Host)...), p.newNotes()...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(notes, func(m Message) bool {
		twice := seen[m.Text]
		seen[m.Text] = true
		return twice
	})
}

// Provider is the id of whoever runs a server; "" if that is not known.
func Provider(host string) string {
	p, _ := providerOfHost(host)
	return p.ID
}

// product is what a server is, as far as its greeting and capabilities show.
func product(greeting string, capabilities []string) string {
	text := strings.ToLower(greeting + " " + strings.Join(capabilities, " "))
	for _, p := range []struct{ mark, name string }{
		{"gimap", "Gmail"}, {"x-gm-ext", "Gmail"}, {"gpop", "Gmail"}, {"microsoft exchange", "Microsoft Exchange"}, {"dovecot", "Dovecot"},
		{"cyrus", "Cyrus"}, {"courier", "Courier"}, {"kerio", "Kerio Connect"}, {"zimbra", "Zimbra"}, {"communigate", "CommuniGate Pro"},
		{"mdaemon", "MDaemon"}, {"hmailserver", "hMailServer"}, {"domino", "HCL Domino"}, {"icewarp", "IceWarp"}, {"stalwart", "Stalwart"},
		{"axigen", "Axigen"}, {"yandex", "Yandex"}, {"coremail", "Coremail"}, {"zarafa", "Zarafa"}, {"kopano", "Kopano"}, {"mailenable", "MailEnable"},
	} {
		if strings.Contains(text, p.mark) {
			return p.name
		}
	}
	return ""
}
