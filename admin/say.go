package admin

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"postferry/discover"
	"postferry/store"
)

// textOr is the text of an id, or fallback if there is none: what is said by
// code elsewhere may be newer than the words here.
func (w *words) textOr(id, fallback string, values map[string]any) string {
	if !w.Has(id) {
		return fallback
	}
	pairs := make([]any, 0, 2*len(values))
	for name, value := range values {
		pairs = append(pairs, name, value)
	}
	return w.T(id, pairs...)
}

// noticeOf says why something was not done.
func (v *visit) noticeOf(ref *refusal) *notice {
	n := &notice{Kind: "bad", Text: v.W.textOr("refusal."+ref.Code, ref.Detail, ref.Args)}
	for _, m := range ref.Mistakes {
		n.Mistakes = append(n.Mistakes, v.W.Mistake(m))
	}
	return n
}

// noticeOr is noticeOf for what a person can correct on the page; other errors
// come back.
func (v *visit) noticeOr(err error) (*notice, error) {
	ref := asRefusal(err)
	if ref.status >= http.StatusInternalServerError || ref.status == http.StatusNotFound || ref.status == http.StatusForbidden {
		return nil, err
	}
	return v.noticeOf(ref), nil
}

// Mistake says what is wrong with a line of a list or a field.
func (w *words) Mistake(m mistake) string {
	text := w.textOr("mistake."+m.Code, w.textOr("discover."+m.Code, m.Text, m.Args), m.Args)
	switch {
	case m.Line > 0:
		return w.T("mistake_at.line", "Line", m.Line, "Text", text)
	case m.Field != "" && w.Has("field."+m.Field):
		return w.T("mistake_at.field", "Field", w.T("field."+m.Field), "Text", text)
	}
	return upperFirst(text)
}

// Problem says what keeps an account from being copied, in one sentence.
func (w *words) Problem(p *problemView) string {
	if p == nil {
		return ""
	}
	values := map[string]any{"Host": p.Host, "Folder": p.Folder}
	kind := "problem." + string(p.Kind)
	if side := kind + "_" + string(p.Server); w.Has(side) {
		return w.textOr(side, p.Summary, values)
	}
	return w.textOr(kind, p.Summary, values)
}

// Advice says what to do against it, and whether it passes by itself.
func (w *words) Advice(p *problemView) string {
	switch {
	case p == nil:
		return ""
	case p.Advice == store.NeedsFix:
		return w.textOr("advice."+string(p.Kind), w.T("advice.fix"), nil)
	}
	return w.T("advice.retry")
}

// Discovered says a sentence of package discover.
func (w *words) Discovered(m discover.Message) string {
	values := make(map[string]any, len(m.Params))
	for name, v := range m.Params {
		values[name] = v
	}
	if n, err := strconv.ParseInt(m.Params["seconds"], 10, 64); err == nil {
		values["ttl"] = w.Span(time.Duration(n) * time.Second)
	}
	return cmp.Or(w.textOr("discover."+m.Code, m.Text, values), m.Text)
}

// State is the word for an account's state.
func (w *words) State(s accountState) string { return w.T("state." + string(s)) }

// StateClass is how a state looks.
func (w *words) StateClass(s accountState) string {
	switch s {
	case stateRunning:
		return "running"
	case stateComplete, stateFinished:
		return "done"
	case stateFailed:
		return "fix"
	case stateRetrying:
		return "later"
	case stateStopped:
		return "stopped"
	}
	return "waits"
}
