package config

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// write puts a configuration into a folder of its own and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mistakes loads a configuration and returns what is wrong with it, one line
// each, without the folder.
func mistakes(t *testing.T, text string) string {
	t.Helper()
	path := write(t, text)
	cfg, _, err := Load(path)
	if err == nil {
		return ""
	}
	if cfg != nil {
		t.Error("a configuration with mistakes was returned")
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	return strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")
}

const goodDomain = `
[[domain]]
name = "example.com"
old = "imaps://imap.old.example"
new = "imaps://imap.new.example"
`

func TestLoadEverything(t *testing.T) {
	fingerprint := strings.Repeat("AB:", 31) + "cd"
	path := write(t, "\ufeff"+`
state = "state"
[proxy]
imaps = "127.0.0.1:1993"
imap = ""
allow_plaintext = true
visit_wait = "1m30s"
visit_order = "arrival"
proxy_protocol_from = ["192.0.2.10", "2001:db8::1/64"]
compress = true
acme_hosts = ["imap.example.com"]
acme_email = "postmaster@example.com"
acme_directory = "https://ca.example/directory"
acme_listen = "127.0.0.1:8080"
visit_window = 300
status_wait = "1s"
search_wait = "2s"
max_connections = 10
[admin]
listen = "[::1]:8000"
new = "IMAPS://imap.new.example:993"
public_url = "https://move.example.com/"
[sync]
memory = "64MiB"
old_connections = 2
new_connections = 3
interval = "2h"
stall = "90s"
max_folders = 500
[log]
level = "debug"
format = "json"
[[domain]]
name = "Example.COM"
default = true
old = "imap+insecure://127.0.0.1:1143"
new = "imap://[2001:db8::1]"
new_fingerprint = "`+fingerprint+`"
new_proxy_protocol = "v2"
enrol = true
[domain.folders]
skip = ["Backup/*", "Café"]
copy_views = true
copy_shared = true
[domain.folders.map]
"Gesendete Objekte" = "Sent"
"a.b/c" = "x/y"
[domain.limits]
messages_per_second = 100
bytes_per_second = "5MB"
logins = 30
[domain.account_limits]
connections = 2
messages_per_second = 10
bytes_per_second = "1MiB"
old_bytes_per_day = "2500MB"
new_bytes_per_day = "500MB"
[[domain]]
name = "bücher.example"
old = "IMAPS://imap.old.example:1993"
new = "imaps://imap.new.example"
folders = { skip = ["Spam"], map = { Old = "New" } }
account_limits.connections = 1
`)
	got, warnings, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	sum, _ := hex.DecodeString(strings.Repeat("ab", 31) + "cd")
	want := Config{
		State: filepath.Join(filepath.Dir(path), "state"),
		Proxy: Proxy{IMAPS: "127.0.0.1:1993", AllowPlaintext: true, VisitWait: 90 * time.Second, VisitWindow: 300, VisitOrder: OrderArrival,
			ProxyProtocolFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("2001:db8::/64")}, Compress: true,
			ACME:       ACME{Hosts: []string{"imap.example.com"}, Email: "postmaster@example.com", Directory: "https://ca.example/directory", Listen: "127.0.0.1:8080"},
			StatusWait: time.Second, SearchWait: 2 * time.Second, MaxConnections: 10},
		Admin: Admin{Listen: "[::1]:8000", New: "imaps://imap.new.example", PublicURL: "https://move.example.com"},
		Sync: Sync{Memory: 64 << 20, OldConnections: 2, NewConnections: 3, Interval: 2 * time.Hour,
			Stall: 90 * time.Second, MaxFolders: 500},
		Watch:  Default().Watch,
		Notify: Default().Notify,
		Log:    Log{Level: "debug", Format: "json"},
		Domains: []Domain{
			{Name: "example.com", Default: true, Enrol: true,
				Old: Server{Security: Insecure, Host: "127.0.0.1", Port: 1143},
				New: Server{Security: StartTLS, Host: "2001:db8::1", Port: 143, Fingerprint: sum, ProxyProtocol: 2},
				Folders: Folders{
					Map:  map[string]string{"Gesendete Objekte": "Sent", "a.b/c": "x/y"},
					Skip: []string{"Backup/*", "Café"}, CopyViews: true, CopyShared: true,
				},
				Limits: Limits{MessagesPerSecond: 100, BytesPerSecond: 5e6}, Logins: 30,
				Account: AccountLimits{
					Limits: Limits{MessagesPerSecond: 10, BytesPerSecond: 1 << 20}, Connections: 2,
					OldBytesPerDay: 2500e6, NewBytesPerDay: 500e6,
					Given: GivenLimits{Connections: true, OldBytesPerDay: true, NewBytesPerDay: true},
				}},
			{Name: "bücher.example",
				Old:     Server{Security: ImplicitTLS, Host: "imap.old.example", Port: 1993},
				New:     Server{Security: ImplicitTLS, Host: "imap.new.example", Port: 993},
				Folders: Folders{Map: map[string]string{"Old": "New"}, Skip: []string{"Spam"}},
				Logins:  DefaultLogins,
				Account: AccountLimits{Connections: 1, Given: GivenLimits{Connections: true}}},
		},
	}
	got.source = source{}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	text, err := os.ReadFile("testdata/mistakes.toml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := mistakes(t, string(text)); got+"\n" != string(want) {
		t.Errorf("got\n%s", got)
	}
}

func TestMistakes(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"no domain": {"", ""}, // the page sets domains up
		"no domain and no page": {"[admin]\nlisten = \"\"",
			`config.toml: no domain, and no import page to set one up; expected at least one [[domain]] with name, old and new`},
		"POP3 for the page's new server": {"[admin]\nnew = \"pop3s://b\"",
			`config.toml:2: admin.new: mail can't be written to a server by POP3; expected a URL that begins with imaps:// or imap://`},
		"the page's certificate without its key": {"[admin]\ncert = \"/dev/null\"",
			"config.toml:2: admin.cert: a certificate without its key; expected key as well\n" +
				`config.toml:2: admin.cert: "/dev/null" cannot be read: not a regular file`},
		"the page's address without scheme": {"[admin]\npublic_url = \"move.example.com\"",
			`config.toml:2: admin.public_url: expected the address of the page in a browser, e.g. "https://move.example.com"`},
		"the page in a folder": {"[admin]\npublic_url = \"https://example.com/move/\"",
			`config.toml:2: admin.public_url: the page can't live in a folder of a site; expected nothing after the host and the port`},
		"the page's address with more": {"[admin]\npublic_url = \"https://u@example.com/?x\"",
			`config.toml:2: admin.public_url: expected nothing but https://, the host and a port if need be`},
		"state empty": {`state = ""` + goodDomain,
			`config.toml:1: state: must not be empty; expected the folder that Postferry keeps its state in`},
		"listeners equal": {"[proxy]\nimaps = \":143\"" + goodDomain,
			`config.toml:1: proxy.imap: ":143" is taken by imaps (":143") already; expected another port, e.g. ":143"`},
		"listeners overlap": {"[proxy]\nimaps = \"127.0.0.1:1\"\nimap = \"[::]:1\"" + goodDomain,
			`config.toml:3: proxy.imap: "[::]:1" is taken by imaps ("127.0.0.1:1") already; expected another port, e.g. ":143"`},
		"listeners on two addresses": {"[proxy]\nimaps = \"127.0.0.1:1\"\nimap = \"127.0.0.2:1\"" + goodDomain, ""},
		"listeners on any free port": {"[proxy]\nimaps = \"127.0.0.1:0\"\nimap = \"127.0.0.1:0\"" + goodDomain, ""},
		"no listener": {"[proxy]\nimaps = \"\"\nimap = \"\"" + goodDomain,
			`config.toml:2: proxy.imaps: imaps and imap are both off; expected an address for one of them, e.g. ":993"`},
		"named port":  {"[proxy]\nimap = \":imap\"" + goodDomain, `config.toml:2: proxy.imap: ":imap": expected a port between 0 and 65535`},
		"inline":      {"proxy = {imap = \"\", imaps = \"x\"}" + goodDomain, `config.toml:1: proxy.imaps: "x" is not host:port; expected e.g. ":993"`},
		"dotted":      {"log.level = \"x\"" + goodDomain, `config.toml:1: log.level: "x" is unknown; expected "debug", "info", "warn" or "error"`},
		"section":     {"proxy = 1" + goodDomain, `config.toml:1: proxy: unknown key; expected a section that begins with [proxy]`},
		"domain list": {"domain = []", "config.toml:1: domain: unknown key; expected sections that begin with [[domain]]"},
		"elsewhere":   {"[proxy]\nstate = \"x\"" + goodDomain, `config.toml:2: proxy.state: unknown key; it belongs above the first section`},
		"nothing like it": {"[log]\nfile = \"x\"" + goodDomain,
			`config.toml:2: log.file: unknown key; expected one of format, level`},
		"key without cert": {"[proxy]\nkey = \"/dev/null\"" + goodDomain,
			"config.toml:2: proxy.key: a key without its certificate; expected cert as well\n" +
				`config.toml:2: proxy.key: "/dev/null" cannot be read: not a regular file`},
		"size too small": {"[sync]\nmemory = \"1kB\"" + goodDomain, `config.toml:2: sync.memory: "1kB" is too small; expected at least 1MiB`},
		"size too large": {"[sync]\nmemory = \"9999999999GB\"" + goodDomain, `config.toml:2: sync.memory: "9999999999GB" is too large`},
		"size without unit": {"[sync]\nmemory = \"5\"" + goodDomain,
			`config.toml:2: sync.memory: "5" is not a size; expected a whole number with a unit, e.g. "256MB" or "64MiB"`},
		"old TLS, no version": {"[[domain]]\nname = \"a\"\nold = \"imaps://localhost\"\nnew = \"imaps://b\"\nold_tls = \"1.1\"",
			`config.toml:5: domain.old_tls: expected "1.0" (old encryption is accepted, too) or "1.2"`},
		"old TLS without TLS": {"[[domain]]\nname = \"a\"\nold = \"imap+insecure://localhost\"\nnew = \"imaps://b\"\nold_tls = \"1.0\"",
			`config.toml:5: domain.old_tls: means nothing without TLS; expected old to begin with imaps:// or imap://, pop3s:// or pop3://`},
		"old TLS of the new server": {"[[domain]]\nname = \"a\"\nold = \"imaps://localhost\"\nnew = \"imaps://b\"\nnew_tls = \"1.0\"",
			`config.toml:5: domain.new_tls: unknown key; expected one of default, enrol, name, new, new_ca, new_fingerprint, new_proxy_protocol, old, old_ca, old_fingerprint, old_tls, way_back`},
		"trust without TLS": {"[[domain]]\nname = \"a\"\nold = \"imap+insecure://localhost\"\nnew = \"imaps://b\"\nold_fingerprint = \"" + strings.Repeat("00", 32) + "\"",
			`config.toml:5: domain.old_fingerprint: means nothing without TLS; expected old to begin with imaps:// or imap://`},
		"POP3 for the new server": {"[[domain]]\nname = \"a\"\nold = \"imaps://a\"\nnew = \"pop3s://b\"",
			`config.toml:4: domain.new: mail can't be written to a server by POP3; expected a URL that begins with imaps:// or imap://`},
		"way back to POP3": {"[[domain]]\nname = \"a\"\nold = \"pop3s://a\"\nnew = \"imaps://b\"\nway_back = true",
			`config.toml:5: domain.way_back: mail can't be written to a server by POP3; expected an old server with IMAP`},
		"line that is no TOML": {"[[domain]]\nname = a.example\nnew = \"x\"\n[[domain]]",
			"config.toml:2: not valid TOML: unexpected character U+0061 'a' at start of value; text needs quotes around it\n" +
				"config.toml:3: domain.new: expected a URL, e.g. \"imaps://imap.example.com\"\n" +
				"config.toml:4: domain.name: is missing in this [[domain]]\n" +
				"config.toml:4: domain.old: is missing in this [[domain]]\n" +
				"config.toml:4: domain.new: is missing in this [[domain]]"},
		"name with @": {strings.Replace(goodDomain, "example.com", "@example.com", 1),
			`config.toml:3: domain.name: "@example.com" is not a domain; expected what follows the @ in addresses, e.g. "example.com"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := mistakes(t, tt.text); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestUnreadableFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.toml")
	want := path + ": cannot be read: no such file or directory"
	if _, _, err := Load(path); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	path = write(t, "state = \"\xff\"")
	if _, _, err := Load(path); err == nil || err.Error() != path+": cannot be read: not UTF-8 text" {
		t.Errorf("got %v", err)
	}
}

// A login in a URL is refused, and its password not repeated.
func TestPasswordInURLIsNotRepeated(t *testing.T) {
	for _, url := range []string{"imaps://joe:hunter2@host", "joe:hunter2@host", "http://joe:hunter2@host", "imaps://host/hunter2"} {
		got := mistakes(t, strings.Replace(goodDomain, "imaps://imap.old.example", url, 1))
		if got == "" || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %q", url, got)
		}
	}
}

func TestWarnings(t *testing.T) {
	_, warnings, err := Load(write(t, `[[domain]]
name = "a.example"
old = "imap+insecure://imap.a.example"
new = "imap+insecure://imap.a.example"`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		w.File = ""
		got = append(got, w.String())
	}
	want := []string{
		"line 3: domain.old: passwords and mail travel unprotected to imap.a.example:143",
		"line 4: domain.new: passwords and mail travel unprotected to imap.a.example:143",
		"line 4: domain.new: is the same server as old (imap.a.example:143)",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDomainOf(t *testing.T) {
	with := Config{Domains: []Domain{{Name: "a.example"}, {Name: "b.example", Default: true}}}
	without := Config{Domains: []Domain{{Name: "a.example"}}}
	tests := []struct {
		cfg   *Config
		login string
		want  string // "" for none
	}{
		{&with, "joe@a.example", "a.example"},
		{&with, "joe@A.Example", "a.example"},
		{&with, "joe@corp@b.example", "b.example"},
		{&with, "joe@c.example", ""},
		{&with, "joe@", ""},
		{&with, "joe", "b.example"},
		{&with, "", "b.example"},
		{&without, "joe", ""},
		{&without, "@a.example", "a.example"},
	}
	for _, tt := range tests {
		d, ok := tt.cfg.DomainOf(tt.login)
		if ok != (tt.want != "") || ok && d.Name != tt.want {
			t.Errorf("DomainOf(%q) = %v, %v, want %q", tt.login, d, ok, tt.want)
		}
	}
}

// Whatever the bytes: no panic, and either a configuration or mistakes.
func FuzzLoad(f *testing.F) {
	for _, path := range []string{example, "testdata/mistakes.toml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a={b.c={d=1}}\n[[a]]\n[a.b]\nx.y=1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := &file{name: "config.toml", dir: "/"}
		cfg := file.load(data)
		for _, m := range file.mistakes {
			if m.Text == "" || m.Line < 0 || m.Line > len(file.lines) {
				t.Errorf("mistake %+v", m)
			}
		}
		if len(file.mistakes) == 0 && (len(cfg.Domains) == 0 && cfg.Admin.Listen == "" || cfg.Proxy.IMAP+cfg.Proxy.IMAPS == "") {
			t.Errorf("accepted: %+v", cfg)
		}
	})
}
