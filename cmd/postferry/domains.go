package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"postferry/admin"
	"postferry/config"
	"postferry/store"
)

// learnDomains makes the domains of the state known.
func learnDomains(ctx context.Context, known *config.Directory, st store.Store) error {
	stored, err := st.Domains(ctx)
	if err != nil {
		return err
	}
	for _, d := range stored {
		domain, err := admin.DomainOf(d)
		if err != nil {
			return fmt.Errorf("the domain %s in the state: %w", d.Name, err)
		}
		known.Put(domain)
	}
	return nil
}

// learnAllDomains makes the domains known that the state or its daemon knows.
func learnAllDomains(ctx context.Context, cfg *config.Config) (err error) {
	if _, err := os.Stat(cfg.State); errors.Is(err, fs.ErrNotExist) {
		return nil // nothing is made before there is something to keep
	}
	b, err := openBackend(ctx, cfg, "import", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	domains, err := b.Domains(ctx)
	for _, d := range domains {
		if _, known := cfg.Directory.DomainNamed(d.Name); !known {
			cfg.Directory.Put(d)
		}
	}
	return err
}

// Domains implements backend. Of their servers there is the new one's host alone.
func (r *remote) Domains(ctx context.Context) ([]config.Domain, error) {
	var reply domainsReply
	err := r.ask(ctx, pathDomains, domainsRequest{}, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err != nil {
		return nil, err
	}
	domains := make([]config.Domain, len(reply.Domains))
	for i, d := range reply.Domains {
		domains[i] = config.Domain{Name: d.Name, Default: d.Default, New: config.Server{Host: d.New}}
	}
	return domains, reply.Error.err()
}

func (c *controlServer) domains(w http.ResponseWriter, r *http.Request) {
	var req domainsRequest
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	domains, err := c.backend.Domains(r.Context())
	reply := domainsReply{Error: describeError(err)}
	for _, d := range domains {
		reply.Domains = append(reply.Domains, knownDomain{Name: d.Name, Default: d.Default, New: d.New.Host})
	}
	_ = out.write(reply)
}
