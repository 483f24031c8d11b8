package web

import (
	"cmp"
	"context"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/admin/finishing"
	"postferry/discover"
	"postferry/lifecycle"
	"postferry/report/reason"
	"postferry/stage"
)

// endingPages are about the end of moves.
type endingPages struct {
	frame     *frame
	finishing *finishing.Finishing
}

func (s *endingPages) routes() []pageRoute {
	return []pageRoute{
		{"POST /d/{domain}/advice", false, s.formAdvice},
		{"GET /d/{domain}/finish", false, s.pageFinish},
		{"POST /d/{domain}/finish/prepare", false, s.formPrepare},
		{"POST /d/{domain}/finish", false, s.formFinish},
		{"POST /d/{domain}/forget", false, s.formForget},
		{"GET /d/{domain}/reports/{report}", false, s.pageReport},
	}
}

// advicePart is how far a domain is, and what to do next.
type advicePart struct {
	W *words
	A *stage.Assessment
}

// advice is what the card of a domain shows.
func (s *domainPages) advice(ctx context.Context, v *visit, domain string) (advicePart, error) {
	a, err := s.finishing.Advice(ctx, v.who, domain, false)
	return advicePart{v.W, a}, err
}

// Class is how the stage looks.
func (x advicePart) Class() string {
	if x.A.Safe {
		return "done"
	}
	return "running"
}

// Do is what the button for the next step does: a word of the texts, "" for no button.
func (x advicePart) Do() string {
	switch x.A.Next.Code {
	case "next_add":
		return "add"
	case "next_check":
		return "check"
	case "next_begin":
		return "begin"
	case "next_resume":
		return "resume"
	case "next_mend", "next_quarantine":
		return "mend"
	case "next_verify", "next_damage":
		return "verify"
	case "next_look":
		return "again"
	case "next_finish":
		return "finish"
	case "next_forget":
		return "forget"
	}
	return ""
}

// Posts tells whether the button begins something, rather than leading to a page.
func (x advicePart) Posts() bool {
	return slices.Contains([]string{"check", "begin", "resume", "again"}, x.Do())
}

// To is the page that the button leads to.
func (x advicePart) To() string {
	switch x.Do() {
	case "add":
		return domainPath(x.A.Domain, "accounts", "new")
	case "mend":
		return domainPath(x.A.Domain) + "?state=failed"
	case "forget":
		return domainPath(x.A.Domain, "finish")
	}
	return domainPath(x.A.Domain, x.Do())
}

// stageStep is a stage on the way, as it is seen from where the domain is.
type stageStep struct {
	Stage stage.Stage
	Class string
	Now   bool
}

// Steps are all stages.
func (x advicePart) Steps() (steps []stageStep) {
	at := slices.Index(stage.Stages(), x.A.Stage)
	for i, s := range stage.Stages() {
		step := stageStep{Stage: s, Class: "ahead", Now: i == at}
		if i < at && x.shown(s) || x.A.Stage == stage.Finished {
			step.Class = "done"
		}
		steps = append(steps, step)
	}
	return steps
}

// shown tells whether the condition that a stage stands for is met: accounts may be begun that nothing has shown to be ready, and
// the MX moves also where DNS has no names that mail programs go by. Stages without a condition are behind a domain once it is
// further.
func (x advicePart) shown(s stage.Stage) bool {
	name, ok := map[stage.Stage]stage.ConditionName{stage.Checked: stage.CheckPassed, stage.Copied: stage.AllCopied,
		stage.ClientsSwitched: stage.ClientsLeadNew, stage.MXSwitched: stage.MXLeadsNew}[s]
	return !ok || slices.ContainsFunc(x.A.Conditions, func(c stage.Condition) bool { return c.Name == name && c.State == stage.Met })
}

// SeenText says what a DNS server tells of the MX.
func (x advicePart) SeenText(s discover.Seen) string {
	text := x.W.T("mx_seen." + "leads_" + string(s.Leads))
	if s.Trouble != nil {
		text += ": " + x.W.Discovered(*s.Trouble)
	}
	return text
}

// SeenMark is how it looks what a DNS server tells of the MX.
func (advicePart) SeenMark(s discover.Seen) string {
	switch {
	case s.Trouble != nil, s.Leads == discover.LeadUnknown, s.Leads == discover.LeadNone:
		return "waits"
	case s.Leads == discover.LeadNew, s.Leads == discover.LeadHere:
		return "done"
	}
	return "later"
}

// Left is for how long a DNS server goes on telling what it tells.
func (x advicePart) Left(s discover.Seen) string {
	return x.W.Span(time.Duration(s.Seconds) * time.Second)
}

// Mark is how a condition looks.
func (advicePart) Mark(c stage.Condition) string {
	return map[stage.State]string{stage.Met: "done", stage.Open: "later", stage.Unknown: "waits"}[c.State]
}

// Say is a message about the end of a move in the reader's language. Instants in it are shown in
// the reader's time zone by a script.
func (w *words) Say(m stage.Message) template.HTML {
	if !w.Has("ending." + m.Code) {
		return template.HTML(template.HTMLEscapeString(m.Text))
	}
	var marks []string
	pairs := make([]any, 0, 2*len(m.Args))
	for name, value := range m.Args {
		text := ""
		if part, ok := m.Parts[name]; ok {
			text = strings.TrimSuffix(string(w.Say(part)), ".")
		} else {
			text = w.argument(value)
		}
		mark := "\x02" + strconv.Itoa(len(marks)/2) + "\x03"
		marks = append(marks, mark, text)
		pairs = append(pairs, name, mark)
	}
	said := template.HTMLEscapeString(w.T("ending."+m.Code, pairs...))
	return template.HTML(strings.NewReplacer(marks...).Replace(said))
}

// argument is an argument of a message, ready for a page.
func (w *words) argument(value any) string {
	switch x := value.(type) {
	case time.Time:
		return string(w.Time(x))
	case stage.Span:
		return template.HTMLEscapeString(w.Span(time.Duration(x) * time.Second))
	case stage.Problem, reason.Reason:
		return template.HTMLEscapeString(w.because(x))
	case string:
		return template.HTMLEscapeString(x)
	}
	return template.HTMLEscapeString(w.Number(value))
}

// formAdvice asks DNS now.
func (s *endingPages) formAdvice(v *visit) error {
	if _, err := s.finishing.Advice(v.r.Context(), v.who, v.domain(), true); err != nil {
		return err
	}
	return v.seeOther(domainPath(v.domain()))
}

// finishPageView is the end of a domain's move.
type finishPageView struct {
	Domain  string
	P       *finishing.PrepareView // nil if nothing was prepared
	R       *lifecycle.Report
	Rows    []lifecycle.Account
	More    int
	Fresh   bool
	Reports []lifecycle.Report
	All     bool
	W       *words
}

// Job is how far the preparation is.
func (x finishPageView) Job() jobPart { return jobPart{x.W, x.P.Progress} }

// Running tells whether the preparation goes on.
func (x finishPageView) Running() bool { return x.P != nil && x.P.Ended == nil }

// Step is what it is at.
func (x finishPageView) Step() lifecycle.Step { return cmp.Or(x.P.Step, lifecycle.StepPass) }

// Ended tells whether accounts were finished and none is left.
func (x finishPageView) Ended() bool { return len(x.R.Accounts) == 0 && len(x.Reports) > 0 }

// Forgets tells whether the domain can be forgotten: nothing is being copied.
func (x finishPageView) Forgets() bool {
	return x.All && !x.Running() && !slices.ContainsFunc(x.R.Accounts, func(a lifecycle.Account) bool { return a.Active })
}

// Count is how many accounts of the draft have a grade.
func (x finishPageView) Count(g string) int { return x.R.Count(stage.Grade(g)) }

// Mark is how a grade looks.
func (finishPageView) Mark(g stage.Grade) string {
	return map[stage.Grade]string{stage.Perfect: "done", stage.Good: "done", stage.NeedsLook: "fix"}[g]
}

func (s *endingPages) pageFinish(v *visit) error { return s.showFinish(v, nil) }

func (s *endingPages) showFinish(v *visit, n *notice) error {
	ctx := v.r.Context()
	draft, err := s.finishing.DraftReport(ctx, v.who, v.domain())
	if err != nil {
		return err
	}
	x := finishPageView{Domain: draft.Domain, P: s.finishing.ViewPrepare(draft.Domain), R: draft, All: v.who.All(), W: v.W}
	x.Rows, x.More = draft.Accounts[:min(len(draft.Accounts), shownParts)], max(0, len(draft.Accounts)-shownParts)
	x.Fresh = x.P != nil && x.P.Report != nil && time.Since(x.P.Report.Made) < lifecycle.Fresh
	if x.Reports, err = s.finishing.Reports(ctx, v.who, draft.Domain); err != nil {
		return err
	}
	return s.frame.showAs(v, statusOf(n), "finish", view{Title: v.T("finish.title"), Path: domainPath(draft.Domain, "finish"), Crumbs: v.toDomain(draft.Domain), Notice: n, D: x, Stream: domainPath(draft.Domain, "live")})
}

// formPrepare begins the last pass and the verification, or ends them.
func (s *endingPages) formPrepare(v *visit) error {
	return v.formJob("finish", s.finishing.CancelPrepare, func(ctx context.Context) error {
		_, err := s.finishing.StartPrepare(ctx, v.who, v.domain())
		return err
	})
}

// unsure is for a form that can't be undone and whose box isn't ticked.
func unsure() error {
	return &access.Refusal{Kind: access.KindInvalid, Code: "not_sure", Detail: "Tick the box if you mean it."}
}

func (s *endingPages) formFinish(v *visit) error {
	err := unsure()
	var report *lifecycle.Report
	if v.r.PostFormValue("sure") != "" {
		report, err = s.finishing.Finish(v.r.Context(), v.who, v.domain(), finishing.FinishInput{Accept: v.r.PostFormValue("accept") != ""})
	}
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showFinish(v, n)
	}
	return v.seeOther(doneAt(domainPath(v.domain(), "finish"), "finished", len(report.Accounts)))
}

func (s *endingPages) formForget(v *visit) error {
	err := unsure()
	if v.r.PostFormValue("sure") != "" {
		err = s.finishing.Forget(v.r.Context(), v.who, v.domain())
	}
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showFinish(v, n)
	}
	return v.seeOther(doneAt("/", "forgotten", 0))
}

// pageReport shows a report as a page to print, or sends it as a file: the address ends in what is wanted.
func (s *endingPages) pageReport(v *visit) error {
	name, form, _ := strings.Cut(v.r.PathValue("report"), ".")
	number, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return access.NotFound("report")
	}
	r, err := s.finishing.Report(v.r.Context(), v.who, v.domain(), number)
	if err != nil {
		return err
	}
	file := r.Domain + "-report-" + name
	switch form {
	case "csv":
		return v.download(file+".csv", "text/csv; charset=utf-8", func(w io.Writer) error { return r.WriteCSV(w) })
	case "json":
		return v.download(file+".json", "application/json", func(w io.Writer) error { return r.WriteJSON(w) })
	case "html":
		return v.download(file+".html", "text/html; charset=utf-8", func(w io.Writer) error { return r.WriteHTML(w) })
	}
	http.NotFound(v.w, v.r)
	return nil
}
