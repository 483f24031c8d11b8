package tenant

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/oauth2"

	"postferry/config"
	"postferry/credential"
	"postferry/directory"
	"postferry/store"
)

// Connector tries what was connected. The zero value is ready for use.
type Connector struct {
	// Consents are what people have agreed to; nil for none.
	Consents Consents
	Log      zerolog.Logger
	// Timeout bounds a test, and a list of mailboxes; 0 for two minutes.
	Timeout time.Duration
}

// Consents are what people have agreed to, and the moment in which somebody is asked.
type Consents interface {
	credential.Consents
	ConsentMark() store.ConsentMark
}

// usualTimeout is long enough for a directory of 100,000.
const usualTimeout = 2 * time.Minute

func (c *Connector) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.Timeout > 0 {
		return context.WithTimeout(ctx, c.Timeout)
	}
	return context.WithTimeout(ctx, usualTimeout)
}

// keeper has tokens for one question only: what is tried now must not rest on what was good before.
func (c *Connector) keeper() *credential.Keeper {
	return credential.New(credential.Options{Consents: c.Consents, Log: c.Log})
}

// HasDirectory tells whether mailboxes can be listed where a server is signed in to like this.
func HasDirectory(server config.Server) bool {
	return server.SignIn != nil && (server.SignIn.Method == config.Microsoft || server.SignIn.Method == config.Google)
}

// Mailboxes fetches the list of a tenant's mailboxes. The server's SignIn must have a directory. The
// error is a *directory.Error, a *credential.Error, or the context's.
func (c *Connector) Mailboxes(ctx context.Context, server config.Server) ([]directory.Mailbox, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	asked := server
	in := *server.SignIn
	asked.SignIn = &in
	if in.Method == config.Google {
		if in.Login == "" {
			return nil, &directory.Error{Reason: directory.NotAdmin, Set: "login"}
		}
		in.Scope = directory.GoogleScope
		return directory.Google{Client: c.client(ctx, asked, in.Login), URL: googleAt(in)}.List(ctx)
	}
	in.Scope = graphScope(server.Host)
	return directory.Microsoft{Client: c.client(ctx, asked, ""), URL: graphAt(server.Host, in)}.List(ctx)
}

// client puts a token into each question.
func (c *Connector) client(ctx context.Context, server config.Server, login string) *http.Client {
	keeper := c.keeper()
	return &http.Client{Transport: &oauth2.Transport{Source: tokens(func() (*oauth2.Token, error) {
		in, err := keeper.SignIn(ctx, server, login)
		if err != nil {
			return nil, err
		}
		return &oauth2.Token{AccessToken: in.Secret.Reveal()}, nil
	})}}
}

// tokens is a function as an oauth2.TokenSource.
type tokens func() (*oauth2.Token, error)

// Token implements oauth2.TokenSource.
func (t tokens) Token() (*oauth2.Token, error) { return t() }

// The directories of Microsoft's clouds (learn.microsoft.com, "National cloud deployments").
const (
	graphGovernment = "https://graph.microsoft.us"
	graphDefense    = "https://dod-graph.microsoft.us"
	graphChina      = "https://microsoftgraph.chinacloudapi.cn"
	graphWorld      = "https://graph.microsoft.com"
)

// graphOf is the directory that belongs to a mail server.
func graphOf(host string) string {
	switch host = strings.ToLower(host); {
	case strings.HasSuffix(host, "-dod.office365.us"):
		return graphDefense
	case strings.HasSuffix(host, ".us"):
		return graphGovernment
	case strings.HasSuffix(host, ".cn"):
		return graphChina
	}
	return graphWorld
}

func graphScope(host string) string { return graphOf(host) + "/.default" }

// graphAt is where the directory is asked. One who gives out tokens on this machine, as in the demo,
// has the directory there as well.
func graphAt(host string, in config.SignIn) string {
	if at := here(in.Issuer); at != "" {
		return at + "/v1.0"
	}
	return graphOf(host) + "/v1.0"
}

// googleAt is where Google's directory is asked; "" for the usual place.
func googleAt(in config.SignIn) string {
	var key struct {
		TokenURI string `json:"token_uri"`
	}
	if json.Unmarshal([]byte(in.Secret.Reveal()), &key) != nil || here(key.TokenURI) == "" {
		return ""
	}
	return here(key.TokenURI) + "/admin/directory/v1"
}

// here is the server of an address that needs no TLS, being on this machine; "" for any other.
func here(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return "http://" + u.Host
}
