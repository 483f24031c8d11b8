package control

import (
	"context"
	"encoding/json"
	"net/http"

	"postferry/config"
)

// Domains implements Backend. Of their servers there is the new one's host alone.
func (r *Client) Domains(ctx context.Context) ([]config.Domain, error) {
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

func (c *server) domains(w http.ResponseWriter, r *http.Request) {
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
