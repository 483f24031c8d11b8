package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"postferry/discover"
)

// discover looks for the old server of a domain or an address.
func (a *app) discover(ctx context.Context, who actor, text string) (*discover.Report, error) {
	if !who.all() && !strings.EqualFold(text[strings.LastIndexByte(text, '@')+1:], who.scope) {
		return nil, errNotFound("domain")
	}
	if !a.discovering.take(who.scope, 1) {
		return nil, errBusy("too_many_discoveries", "Others are looking for servers right now. Try again in a moment.", 5*time.Second)
	}
	defer a.discovering.leave(who.scope, 1)
	finder := *a.finder
	// Many an old server stands in the office. Those who look after everything
	// may look around there; whoever looks after one domain may not.
	finder.AllowPrivate = who.all()
	report, err := finder.Find(ctx, text)
	var wrong *discover.InputError
	if errors.As(err, &wrong) {
		return nil, errInvalid(mistake{Field: "domain", Code: string(wrong.Message.Code), Args: argsOf(wrong.Message), Text: wrong.Message.Text})
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

func (s *Server) apiDiscover(w http.ResponseWriter, r *http.Request, who actor) error {
	var in struct {
		Domain string `json:"domain"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	report, err := s.app.discover(r.Context(), who, in.Domain)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, report)
}
