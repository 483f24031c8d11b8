package api

import (
	"context"
	"net/http"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
	"postferry/store"
)

// eventAPI is about what goes on, as it happens.
type eventAPI struct {
	scopes *admin.Scopes
	status *admin.Status
	gate   *request.Gate
}

// events answers GET /events?domain=NAME&ids=1,2,3: live progress of a domain,
// and of the accounts that the page shows. Events: totals, accounts, run,
// check, verify; each is JSON as in the API, sent when it has changed.
func (s *eventAPI) events(w http.ResponseWriter, r *http.Request, who access.Actor) error {
	d, err := s.scopes.Domain(r.Context(), who, r.URL.Query().Get("domain"))
	if err != nil {
		return err
	}
	ids, err := request.AccountIDs(r.URL.Query().Get("ids"))
	if err != nil {
		return err
	}
	return s.gate.Stream(w, r, who, func(ctx context.Context, x *request.Stream) error { return s.states(ctx, x, d.Name, ids) })
}

// states sends what has changed of a domain and of the accounts a page shows.
func (s *eventAPI) states(ctx context.Context, x *request.Stream, domain string, ids []store.AccountID) error {
	b, err := s.status.Board(ctx, domain)
	if err != nil {
		return err
	}
	if err := x.Send("totals", b.Totals); err != nil {
		return err
	}
	if len(ids) > 0 {
		if err := x.Send("accounts", b.AccountsOf(ids)); err != nil {
			return err
		}
	}
	for name, state := range s.status.Extras(ctx, domain) {
		if err := x.Send(name, state); err != nil {
			return err
		}
	}
	return nil
}
