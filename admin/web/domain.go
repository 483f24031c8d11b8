package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/checks"
	"postferry/admin/finishing"
	"postferry/admin/request"
	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/report"
	"postferry/store"
)

// domainPages are about how far a domain is, and its transfers.
type domainPages struct {
	frame         *frame
	accounts      *admin.Accounts
	checks        *checks.Checks
	domains       *admin.Domains
	finishing     *finishing.Finishing
	folders       *admin.Folders
	runs          *transfers.Runs
	scopes        *admin.Scopes
	status        *admin.Status
	transfers     *transfers.Transfers
	verifications *checks.Verifications
}

func (s *domainPages) routes() []pageRoute {
	return []pageRoute{
		{"GET /d/{domain}", false, s.pageDomain},
		{"POST /d/{domain}/do", false, s.formDo},
		{"POST /d/{domain}/schedule", false, s.formSchedule},
		{"GET /d/{domain}/live", false, s.live},
	}
}

// row is an account in the table.
type row struct {
	W      *words
	Domain string
	A      *report.Account
}

// whole is the progress of a domain.
type whole struct {
	W      *words
	D      *admin.DomainView
	Causes []causePart
	Chart  throughputChart
	Run    *transfers.RunView // the newest; nil if there was none
	Served time.Time
}

// Moving reports whether anything is being copied or about to be.
func (x whole) Moving() bool { return x.D.Totals.Running+x.D.Totals.Queued > 0 }

// Ended tells whether all accounts are finished: nothing is begun for them any more.
func (x whole) Ended() bool {
	return x.D.Totals.Accounts > 0 && x.D.Totals.Finished == x.D.Totals.Accounts
}

// Done is how many accounts have nothing left to be copied.
func (x whole) Done() int { return x.D.Totals.Complete + x.D.Totals.Finished }

// domainPageView is a domain with a page of its accounts.
type domainPageView struct {
	Whole     whole
	Advice    advicePart
	Rows      []row
	Query     url.Values // of the search, to be kept
	Search    string
	Caused    *causedView // the list is narrowed to a cause; nil if it is not
	State     report.AccountState
	Sort      string
	States    []report.AccountState
	Total     int
	From, To  int
	Back      string // address of the page before; "" on the first
	Next      string
	EveryHour int64
	Until     string
	TestMX    bool
}

func (s *domainPages) pageDomain(v *visit) error { return s.showDomainPage(v, nil) }

func (s *domainPages) showDomainPage(v *visit, n *notice) error {
	x, err := s.whole(v.r.Context(), v, v.domain())
	if err != nil {
		return err
	}
	if x.D.Totals.Accounts == 0 && n == nil && v.r.URL.Query().Get("done") == "" {
		return v.seeOther(domainPath(x.D.Name, "accounts", "new"))
	}
	page, perPage, err := request.Page(v.r)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	d := domainPageView{Whole: x, Search: q.Get("search"), State: report.AccountState(q.Get("state")), Sort: q.Get("sort"), States: report.AccountStates()}
	query := board.AccountQuery{Search: d.Search, State: d.State, Sort: d.Sort, Desc: q.Get("order") == "desc", Page: page, PerPage: perPage}
	if d.Caused = x.causedBy(q); d.Caused != nil {
		query.Caused = d.Caused.Caused
	}
	found, err := s.accounts.List(v.r.Context(), v.who, x.D.Name, query)
	if err != nil {
		return err
	}
	if d.Advice, err = s.advice(v.r.Context(), v, x.D.Name); err != nil {
		return err
	}
	d.fill(v, found)
	ids := make([]string, len(found.Accounts))
	for i, a := range found.Accounts {
		ids[i] = strconv.FormatUint(uint64(a.ID), 10)
	}
	return s.frame.showAs(v, statusOf(n), "domain", view{Title: x.D.Name, Crumbs: v.toDomains(), Notice: n, D: d,
		Stream: domainPath(x.D.Name, "live") + "?ids=" + strings.Join(ids, ",")})
}

// fill takes in the accounts that were found.
func (d *domainPageView) fill(v *visit, found *board.AccountPage) {
	for i := range found.Accounts {
		d.Rows = append(d.Rows, row{v.W, d.Whole.D.Name, &found.Accounts[i]})
	}
	d.Total = found.Total
	d.From = min((found.Page-1)*found.PerPage+1, found.Total)
	d.To = min(found.Page*found.PerPage, found.Total)
	d.Back, d.Next = pager(v.r, found.Page, d.To < found.Total)
	if sc := d.Whole.D.Schedule; sc != nil {
		d.EveryHour = (sc.EverySeconds + 3599) / 3600
		if sc.Until != nil {
			d.Until = sc.Until.UTC().Format(time.DateOnly)
		}
	}
}

// pager are the addresses of the pages before and after one; "" for none.
func pager(r *http.Request, page int, more bool) (back, next string) {
	at := func(n int) string {
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(n))
		q.Del("done")
		q.Del("n")
		return r.URL.Path + "?" + q.Encode()
	}
	if page > 1 {
		back = at(page - 1)
	}
	if more {
		next = at(page + 1)
	}
	return back, next
}

// whole sums a domain up.
func (s *domainPages) whole(ctx context.Context, v *visit, domain string) (whole, error) {
	d, err := s.domains.Show(ctx, v.who, domain)
	if err != nil {
		return whole{}, err
	}
	x := whole{W: v.W, D: d, Chart: s.status.Throughput(d.Name), Served: time.Now()}
	if x.Causes, err = s.causes(ctx, v, d.Name); err != nil {
		return whole{}, err
	}
	runs, err := s.runs.List(ctx, v.who, d.Name)
	if err == nil && len(runs) > 0 {
		x.Run = &runs[0]
	}
	return x, err
}

// formDo does something with the accounts that are ticked, with all, or with those of a search or a cause.
func (s *domainPages) formDo(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return badForm(err)
	}
	sel, err := s.selection(v)
	if err != nil {
		return err
	}
	what := v.r.PostForm.Get("do")
	if asked, err := s.sure(v, what, sel); asked || err != nil {
		return err
	}
	n, do, err := s.do(v, what, sel)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showDomainPage(v, n)
	}
	if do == "check" {
		return v.seeOther(domainPath(v.domain(), "check"))
	}
	address := domainPath(v.domain())
	if back := localPath(v.r.PostForm.Get("back")); back != "/" {
		address, _, _ = strings.Cut(back, "?")
	}
	return v.seeOther(doneAt(address, do, n))
}

// selection reads which accounts a form is about.
func (s *domainPages) selection(v *visit) (sel selection.Selection, err error) {
	f := v.r.PostForm
	sel.All = f.Get("all") != ""
	switch {
	case sel.All:
	case f.Get("matching") != "":
		sel.Accounts, err = s.matching(v, f)
	case f.Get("cause") != "":
		sel.Kind, sel.Server = store.ProblemKind(f.Get("problem")), store.Side(f.Get("server"))
	default:
		sel.Accounts, err = request.AccountIDs(strings.Join(f["id"], ","))
	}
	return sel, err
}

// matching are all accounts that a list was made of, on however many pages it is shown.
func (s *domainPages) matching(v *visit, f url.Values) (ids []store.AccountID, err error) {
	q := board.AccountQuery{Search: f.Get("search"), State: report.AccountState(f.Get("state")), PerPage: board.MaxPerPage,
		Caused: board.Caused{Kind: store.ProblemKind(f.Get("problem")), Server: store.Side(f.Get("server"))}}
	for q.Page = 1; ; q.Page++ {
		found, err := s.accounts.List(v.r.Context(), v.who, v.domain(), q)
		if err != nil {
			return nil, err
		}
		for i := range found.Accounts {
			ids = append(ids, found.Accounts[i].ID)
		}
		if len(ids) >= found.Total || len(found.Accounts) == 0 {
			return ids, nil
		}
	}
}

// do does one of the things that can be done with accounts.
func (s *domainPages) do(v *visit, do string, sel selection.Selection) (n int, done string, err error) {
	ctx, domain := v.r.Context(), v.domain()
	if !sel.All && sel.Kind == "" && len(sel.Accounts) == 0 {
		return 0, "", &access.Refusal{Kind: access.KindInvalid, Code: "none_ticked", Detail: "Tick the accounts first."}
	}
	var result *transfers.Affected
	switch do {
	case "begin":
		result, err = s.transfers.Begin(ctx, v.who, domain, sel)
	case "stop":
		result, err = s.transfers.Stop(ctx, v.who, domain, sel)
	case "resume":
		result, err = s.transfers.Resume(ctx, v.who, domain, sel)
	case "again":
		result, err = s.transfers.Again(ctx, v.who, domain, sel)
	case "remove":
		n, err = s.accounts.Remove(ctx, v.who, domain, sel)
	case "check":
		_, err = s.checks.Start(ctx, v.who, domain, sel)
	default:
		err = access.NotFound("page")
	}
	if err == nil && result != nil {
		n = result.Accounts
	}
	return n, do, err
}

// formSchedule sets when a domain's accounts are run again.
func (s *domainPages) formSchedule(v *visit) error {
	var in *admin.ScheduleInput
	if v.r.PostFormValue("do") != "none" {
		in = &admin.ScheduleInput{}
		if !readSchedule(v.r, in) {
			return s.showDomainPage(v, &notice{Kind: "bad", Text: v.T("schedule.bad_day")})
		}
	}
	if _, err := s.domains.SetSchedule(v.r.Context(), v.who, v.domain(), in); err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showDomainPage(v, n)
	}
	return v.seeOther(doneAt(domainPath(v.domain()), "scheduled", 0))
}

// readSchedule takes what a person has changed in the form: it shows hours and days, and the
// schedule may be finer than that. It reports false for what is no day.
func readSchedule(r *http.Request, in *admin.ScheduleInput) bool {
	changed := func(name string) (text string, ok bool) {
		text = strings.TrimSpace(r.PostFormValue(name))
		return text, r.PostForm.Has(name) && (!r.PostForm.Has("was_"+name) || text != r.PostForm.Get("was_"+name))
	}
	if text, ok := changed("hours"); ok {
		hours, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			hours = 0 // refused with the words for it
		}
		in.EverySeconds = new(hours * 3600)
	}
	text, ok := changed("until")
	if !ok {
		return true
	}
	in.Until.Present = true
	if text == "" {
		return true
	}
	day, err := time.Parse(time.DateOnly, text)
	in.Until.Time = new(day.Add(24*time.Hour - time.Second))
	return err == nil
}

// watched reads the accounts that a live page shows.
func watched(r *http.Request) ([]store.AccountID, error) {
	if text := r.URL.Query().Get("account"); text != "" {
		return request.AccountIDs(text)
	}
	return request.AccountIDs(r.URL.Query().Get("ids"))
}
