package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/discover"
)

// maxSearchesEach, maxSearches and maxSearchesAll bound the searches for servers that run at a time.
const maxSearchesEach, maxSearches, maxSearchesAll = 2, 6, 4

// Servers are looked for, and tried before anything is copied between them.
type Servers struct {
	domains   *Domains
	finder    *discover.Finder
	searching *access.Places
}

// search takes a place for a search, until leave is called.
func (a *Servers) search(who access.Actor) (leave func(), err error) {
	if !a.searching.Take(who.Scope, 1) {
		return nil, access.Busy("too_many_discoveries", "Others are looking for servers right now. Try again in a moment.", 5*time.Second)
	}
	return func() { a.searching.Leave(who.Scope, 1) }, nil
}

// Discover looks for the old server of a domain or an address.
func (a *Servers) Discover(ctx context.Context, who access.Actor, text string) (*discover.Report, error) {
	if !who.All() && !strings.EqualFold(text[strings.LastIndexByte(text, '@')+1:], who.Scope) {
		return nil, access.NotFound("domain")
	}
	leave, err := a.search(who)
	if err != nil {
		return nil, err
	}
	defer leave()
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

// argsOf are the parameters of a message, as a mistake has them.
func argsOf(m discover.Message) map[string]any {
	out := make(map[string]any, len(m.Params))
	for name, v := range m.Params {
		out[name] = v
	}
	return out
}
