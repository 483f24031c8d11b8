package web

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/checks"
	"postferry/admin/request"
	"postferry/discover"
	"postferry/report"
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
func (v *visit) noticeOf(ref *access.Refusal) *notice {
	n := &notice{Kind: "bad", Text: v.W.paused(ref.Code, ref.Retry, v.W.textOr("refusal."+ref.Code, ref.Detail, ref.Args))}
	for _, m := range ref.Mistakes {
		n.Mistakes = append(n.Mistakes, v.W.Mistake(m))
		if m.Field != "" && m.Line == 0 {
			bare := m
			bare.Field = ""
			n.wrong(m.Field, v.W.Mistake(bare))
		}
	}
	return n
}

// paused says for how long somebody asks for a pause; text where that isn't known, or nobody does.
func (w *words) paused(code string, wait time.Duration, text string) string {
	if wait <= 0 {
		return text
	}
	return w.textOr("pause."+code, text, map[string]any{"Pause": w.Span(wait)})
}

// wrong notes what is wrong with a field.
func (n *notice) wrong(field, text string) {
	if n.at == nil {
		n.at = map[string]string{}
	}
	if n.at[field] == "" {
		n.at[field] = text
	}
}

// noticeOr is noticeOf for what a person can correct on the page; other errors
// come back.
func (v *visit) noticeOr(err error) (*notice, error) {
	ref := request.RefusalOf(err)
	if ref.Failed() || ref.Kind == access.KindNotFound || ref.Kind == access.KindForbidden {
		return nil, err
	}
	return v.noticeOf(ref), nil
}

// Mistake says what is wrong with a line of a list or a field.
func (w *words) Mistake(m access.Mistake) string {
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
func (w *words) Problem(p *report.Problem) string {
	if p == nil {
		return ""
	}
	values := w.values(p.Summary)
	for name, value := range map[string]string{"Host": p.Host, "Folder": p.Folder} {
		if value != "" {
			values[name] = value
		}
	}
	if text := w.coded(p.Summary.Code(), values); text != "" {
		return text
	}
	values["Host"], values["Folder"] = p.Host, p.Folder
	kind := "problem." + string(p.Kind)
	for _, id := range []string{kind + "_" + string(p.Server), kind} {
		if w.Has(id) {
			return w.textOr(id, "", values)
		}
	}
	return w.Reason(p.Summary)
}

// Advice says what to do against it, and whether it passes by itself.
func (w *words) Advice(p *report.Problem) string {
	if p == nil {
		return ""
	}
	general := "advice.retry"
	if p.Advice == store.NeedsFix {
		general = "advice.fix"
	}
	return w.textOr("advice."+string(p.Kind), w.T(general), nil)
}

// Lack says which quota at the new server is too small for an account.
func (w *words) Lack(c checks.CheckedAccount) string {
	switch {
	case c.Lack == nil:
		return c.Lacks
	case c.Lack.Resource == "STORAGE":
		return w.T("check.lacks_storage", "Need", w.Size(c.Lack.Need), "Room", w.Size(c.Lack.Room))
	}
	return w.T("check.lacks_messages", "Need", w.Number(c.Lack.Need), "Room", w.Number(c.Lack.Room))
}

// PassEnded says why a pass ended early; "" if it is not known.
func (w *words) PassEnded(p report.Pass) string {
	if p.Problem.Kind == "" {
		return w.Reason(p.Error)
	}
	return w.Problem(&p.Problem)
}

// NotVerified says why an account could not be verified.
func (w *words) NotVerified(a checks.VerifiedView) string {
	if a.Trouble != nil {
		return w.Problem(report.ProblemOf(a.Trouble))
	}
	return w.Reason(a.Problem)
}

// Finding says why a verification found something, or what is known about it.
func (w *words) Finding(f checks.FindingView) string {
	if f.Trouble != nil {
		return w.Problem(report.ProblemOf(f.Trouble))
	}
	return w.Reason(f.Reason)
}

// Who is who did something: a name, or what stands for the operator.
func (w *words) Who(name string) string {
	if name == access.CommandLine().Name {
		return w.T("audit.command_line")
	}
	return name
}

// AuditDetail says the details of an entry: a bare number counts accounts or messages,
// a schedule is an interval and when it ends, and of accounts it is what was changed.
func (w *words) AuditDetail(e access.AuditView) string {
	switch {
	case e.Action == "set_schedule":
		return w.scheduleDetail(e.Detail)
	case strings.HasPrefix(e.Action, "update_account"):
		return w.fieldsDetail(e.Detail)
	case e.Action == "backup" && e.Detail == admin.BackupWithKey:
		return w.T("audit.with_key")
	}
	n, err := strconv.ParseUint(e.Detail, 10, 32)
	switch {
	case err != nil:
		return e.Detail
	case e.Action == "retry_quarantined":
		return w.T("audit.messages", "Count", n)
	}
	return w.T("audit.accounts", "Count", n)
}

// fieldsDetail says of how many accounts which fields were changed.
func (w *words) fieldsDetail(detail string) string {
	count, names, both := strings.Cut(detail, admin.AuditFields)
	var said []string
	if n, err := strconv.ParseUint(count, 10, 32); err == nil {
		said = append(said, w.T("audit.accounts", "Count", n))
	} else if !both {
		names = detail
	}
	if names == "" {
		return strings.Join(said, "")
	}
	var fields []string
	for name := range strings.SplitSeq(names, ", ") {
		fields = append(fields, w.textOr("audit."+name, name, nil))
	}
	return strings.Join(append(said, strings.Join(fields, ", ")), admin.AuditFields)
}

func (w *words) scheduleDetail(detail string) string {
	every, until, _ := strings.Cut(detail, admin.ScheduleUntil)
	if d, err := time.ParseDuration(every); err == nil {
		detail = w.Span(d)
		if end, err := time.Parse(time.RFC3339, until); err == nil {
			detail += admin.ScheduleUntil + end.Format(w.T("time.layout")) + " UTC"
		}
	}
	return detail
}

// Discovered says a sentence of package discover.
func (w *words) Discovered(m discover.Message) string {
	values := make(map[string]any, len(m.Params))
	for name, v := range m.Params {
		values[name] = v
	}
	for name, parts := range m.Parts {
		said := make([]string, len(parts))
		for i, p := range parts {
			said[i] = w.Discovered(p)
		}
		values[name] = strings.Join(said, "; ")
	}
	if n, err := strconv.ParseInt(m.Params["seconds"], 10, 64); err == nil {
		values["ttl"] = w.Span(time.Duration(n) * time.Second)
	}
	return cmp.Or(w.textOr("discover."+m.Code, m.Text, values), m.Text)
}

// State is the word for an account's state.
func (w *words) State(s report.AccountState) string { return w.T("state." + string(s)) }

// StateClass is how a state looks.
func (w *words) StateClass(s report.AccountState) string {
	switch s {
	case report.StateRunning:
		return "running"
	case report.StateComplete, report.StateFinished:
		return "done"
	case report.StateFailed:
		return "fix"
	case report.StateRetrying:
		return "later"
	case report.StateStopped:
		return "stopped"
	}
	return "waits"
}
