package config

import (
	"errors"
	"net/url"
	"strings"
)

// admin reads the [admin] block.
func (f *file) admin(b *block, c *Config) {
	a := &c.Admin
	set(b, "listen", &a.Listen, text("127.0.0.1:8143", parseListen))
	set(b, "cert", &a.Cert, text("cert.pem", f.path))
	set(b, "key", &a.Key, text("key.pem", f.path))
	set(b, "new", &a.New, text("imaps://imap.new.example", parseNewServer))
	set(b, "public_url", &a.PublicURL, text("https://move.example.com", parsePublicURL))
	c.source.lines[b.label("listen")] = b.lineOf("listen")
	checkPair(b, a.Cert, a.Key)
	if strings.HasPrefix(a.PublicURL, "http://") {
		b.warn("public_url", "passwords travel unprotected to %s; expected https://", a.PublicURL)
	}
}

// parseNewServer reads the URL of a server that mail is written to; "" for none.
func parseNewServer(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	server, err := ParseServer(s)
	switch {
	case err != nil:
		return "", err
	case !server.Protocol.Writable():
		return "", errors.New("mail can't be written to a server by " + server.Protocol.Title() + "; expected a URL that begins with imaps:// or imap://")
	}
	return server.String(), nil
}

// parsePublicURL reads the address of a site, without the slash at its end; ""
// for none.
func parsePublicURL(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New(`expected the address of the page in a browser, e.g. "https://move.example.com"`)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("expected nothing but https://, the host and a port if need be")
	case strings.Trim(u.Path, "/") != "":
		return "", errors.New("the page can't live in a folder of a site; expected nothing after the host and the port")
	}
	return u.Scheme + "://" + u.Host, nil
}
