package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// maxFile bounds the configuration file. Octets.
const maxFile = 16 << 20

// Load reads a configuration file. Relative paths in it are relative to its
// folder. All mistakes come together in an *Error; the configuration is nil then.
// warnings are about what is allowed but unwise, and come with or without an error.
//
// checks are run even if there are mistakes already, and what they find counts as
// mistakes too; see CheckListen.
func Load(path string, checks ...func(*Config) []Finding) (cfg *Config, warnings []Finding, err error) {
	data, err := read(path)
	if err != nil {
		return nil, nil, newError([]Finding{{File: path, Text: "cannot be read: " + plainError(err)}})
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, nil, newError([]Finding{{File: path, Text: "its folder cannot be found: " + plainError(err)}})
	}
	f := &file{name: path, dir: dir}
	c := f.load(data)
	for _, check := range checks {
		f.mistakes = append(f.mistakes, check(c)...)
	}
	sortFindings(f.warnings)
	if err := newError(f.mistakes); err != nil {
		return nil, f.warnings, err
	}
	return c, f.warnings, nil
}

// read returns a file's contents without a byte order mark.
func read(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, errors.New("larger than 16 MiB")
	case !utf8.Valid(data):
		return nil, errors.New("not UTF-8 text")
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// plainError is an error without the operation and the path, which the finding names itself.
func plainError(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// load reads the whole file, collecting mistakes.
func (f *file) load(data []byte) *Config {
	f.parse(data)
	c := Default()
	c.source = source{file: f.name, lines: map[string]int{}}
	top := f.block("")
	set(top, "state", &c.State, text(c.State, f.path))
	if c.State == "" && top.fine("state") {
		top.mistake("state", "must not be empty; expected the folder that Postferry keeps its state in")
	}
	f.proxy(f.block("proxy"), &c)
	f.admin(f.block("admin"), &c)
	f.sync(f.block("sync"), &c.Sync)
	f.watch(f.block("watch"), &c.Watch)
	f.notify(&c.Notify)
	f.log(f.block("log"), &c.Log)
	c.Domains = f.domains()
	if len(c.Domains) == 0 && c.Admin.Listen == "" && f.block("admin").fine("listen") {
		f.mistake(0, "", "no domain, and no import page to set one up; expected at least one [[domain]] with name, old and new")
	}
	f.checkNames()
	return &c
}

// path makes a path absolute; "" stays "".
func (f *file) path(s string) (string, error) {
	if s == "" || filepath.IsAbs(s) {
		return s, nil
	}
	return filepath.Join(f.dir, s), nil
}

func (f *file) proxy(b *block, c *Config) {
	p := &c.Proxy
	set(b, "imaps", &p.IMAPS, text(":993", parseListen))
	set(b, "imap", &p.IMAP, text(":143", parseListen))
	set(b, "cert", &p.Cert, text("cert.pem", f.path))
	set(b, "key", &p.Key, text("key.pem", f.path))
	set(b, "allow_plaintext", &p.AllowPlaintext, boolean)
	set(b, "visit_wait", &p.VisitWait, duration(0, 5*time.Minute))
	set(b, "status_wait", &p.StatusWait, duration(0, 10*time.Second))
	set(b, "search_wait", &p.SearchWait, duration(0, time.Minute))
	set(b, "visit_window", &p.VisitWindow, integer(100, 100_000))
	set(b, "visit_order", &p.VisitOrder, oneOf(OrderRestored, OrderNewest, OrderArrival))
	set(b, "proxy_protocol_from", &p.ProxyProtocolFrom, prefixes)
	set(b, "compress", &p.Compress, boolean)
	f.acme(b, p)
	set(b, "max_connections", &p.MaxConnections, integer(1, 1_000_000))
	for _, key := range []string{"imaps", "imap"} {
		c.source.lines[b.label(key)] = b.lineOf(key)
	}
	if b.fine("imaps", "imap") {
		checkListeners(b, p)
	}
	checkPair(b, p.Cert, p.Key)
}

// checkListeners reports listeners that cannot be there together, or none at all.
func checkListeners(b *block, p *Proxy) {
	if p.IMAPS == "" && p.IMAP == "" {
		b.mistake("imaps", `imaps and imap are both off; expected an address for one of them, e.g. ":993"`)
		return
	}
	if p.IMAPS == "" || p.IMAP == "" {
		return
	}
	host1, port1, _ := net.SplitHostPort(p.IMAPS)
	host2, port2, _ := net.SplitHostPort(p.IMAP)
	if port1 == port2 && strings.Trim(port1, "0") != "" && (host1 == host2 || wildcard(host1) || wildcard(host2)) {
		b.mistake("imap", "%q is taken by imaps (%q) already; expected another port, e.g. \":143\"", p.IMAP, p.IMAPS)
	}
}

// wildcard reports a host that means every address of this machine.
func wildcard(host string) bool {
	return host == "" || host == "0.0.0.0" || host == "::"
}

func (f *file) sync(b *block, s *Sync) {
	set(b, "memory", &s.Memory, size(1<<20))
	set(b, "old_connections", &s.OldConnections, integer(1, 10_000))
	set(b, "new_connections", &s.NewConnections, integer(1, 10_000))
	set(b, "interval", &s.Interval, duration(time.Second, 7*24*time.Hour))
	set(b, "stall", &s.Stall, duration(time.Second, time.Hour))
	set(b, "max_folders", &s.MaxFolders, integer(1, 100_000))
}

func (f *file) log(b *block, l *Log) {
	set(b, "level", &l.Level, oneOf("debug", "info", "warn", "error"))
	set(b, "format", &l.Format, oneOf("auto", "text", "json"))
}
