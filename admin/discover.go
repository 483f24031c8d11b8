package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/discover"
)

// Discovery looks for servers.
type Discovery struct {
	finder      *discover.Finder
	discovering *Places // of searches for servers
}

// Discover looks for the old server of a domain or an address.
func (a *Discovery) Discover(ctx context.Context, who access.Actor, text string) (*discover.Report, error) {
	if !who.All() && !strings.EqualFold(text[strings.LastIndexByte(text, '@')+1:], who.Scope) {
		return nil, access.NotFound("domain")
	}
	if !a.discovering.Take(who.Scope, 1) {
		return nil, errTooManyDiscoveries()
	}
	defer a.discovering.Leave(who.Scope, 1)
	finder := *a.finder
	// Many an old server stands in the office. Those who look after everything
	// may look around there; whoever looks after one domain may not.
	finder.AllowPrivate = who.All()
	report, err := finder.Find(ctx, text)
	var wrong *discover.InputError
	if errors.As(err, &wrong) {
		return nil, access.Invalid(access.Mistake{Field: "domain", Code: string(wrong.Message.Code), Args: argsOf(wrong.Message), Text: wrong.Message.Text})
	}
	return report, err
}

func errTooManyDiscoveries() error {
	return access.Busy("too_many_discoveries", "Others are looking for servers right now. Try again in a moment.", 5*time.Second)
}

// argsOf are the parameters of a message, as a mistake has them.
func argsOf(m discover.Message) map[string]any {
	out := make(map[string]any, len(m.Params))
	for name, v := range m.Params {
		out[name] = v
	}
	return out
}
