package control

import (
	"context"

	"postferry/config"
)

// Domains implements Backend. Of their servers there is the new one's host alone.
func (r *Client) Domains(ctx context.Context) ([]config.Domain, error) {
	reply, err := question[domainsReply](ctx, r, pathDomains, domainsRequest{})
	if err != nil {
		return nil, err
	}
	domains := make([]config.Domain, len(reply.Domains))
	for i, d := range reply.Domains {
		domains[i] = config.Domain{Name: d.Name, Default: d.Default, New: config.Server{Host: d.New}}
	}
	return domains, nil
}

func (c *server) domains(ctx context.Context, _ domainsRequest) (reply domainsReply, err error) {
	domains, err := c.backend.Domains(ctx)
	for _, d := range domains {
		reply.Domains = append(reply.Domains, knownDomain{Name: d.Name, Default: d.Default, New: d.New.Host})
	}
	return reply, err
}
