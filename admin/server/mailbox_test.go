package server

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"postferry/admin/access"
	"postferry/store"
)

// TestMailboxQuestion answers, by API and on the page, whether a mailbox that isn't the one it was is
// right: only what is an answer to the account's problem is taken, and noted.
func TestMailboxQuestion(t *testing.T) {
	p := startPage(t)
	program, person := p.program("a.example"), p.admin("berta", "a.example")
	const accept, again = "It is right: accept it as it is", "copy everything again"
	for i, x := range []struct {
		kind    store.ProblemKind
		server  store.Side
		verdict string
		status  int
		offered []string // on the page; the first is what is not, if nothing may be answered
	}{
		{store.OtherMailbox, store.OldSide, "accept", 204, []string{accept}},
		{store.OtherMailbox, store.OldSide, "again", 409, []string{accept}},
		{store.EmptiedMailbox, store.OldSide, "accept", 204, []string{accept}},
		{store.OtherMailbox, store.NewSide, "again", 204, []string{accept, again}},
		{store.OtherMailbox, store.NewSide, "never", 422, []string{accept, again}},
		{store.LoginRefused, store.NewSide, "accept", 409, nil},
	} {
		login := fmt.Sprintf("x%d@a.example", i)
		id := p.put("a.example", login)[0]
		ask := func() {
			t.Helper()
			problem := &store.Problem{Kind: x.kind, Server: x.server, Host: "imap.example", Advice: store.NeedsFix, Since: time.Now()}
			if err := p.store.SetProblem(t.Context(), id, problem); err != nil {
				t.Fatal(err)
			}
			p.changed("a.example")
		}
		ask()
		page := person.do("GET", fmt.Sprint("/d/a.example/a/", id), nil).text
		for _, button := range []string{accept, again} {
			want := 0
			if strings.Contains(strings.Join(x.offered, ","), button) {
				want = 1
			}
			if n := strings.Count(page, button); n != want {
				t.Errorf("%s at %s: the button %q is there %d times, want %d", x.kind, x.server, button, n, want)
			}
		}
		program.want(x.status, "POST", fmt.Sprintf("/api/v1/domains/a.example/accounts/%d/mailbox/decide", id), map[string]string{"verdict": x.verdict}, nil)
		p.wantVerdict(login, x.verdict, x.status == 204)
		ask()
		status, _, text := person.send(fmt.Sprintf("/d/a.example/a/%d/mailbox", id), "application/x-www-form-urlencoded", strings.NewReader(url.Values{"verdict": {x.verdict}}.Encode()))
		if decided := strings.Contains(text, "Noted. A run begins."); decided != (x.status == 204) {
			t.Errorf("%s at %s, %s on the page: %d, decided: %v", x.kind, x.server, x.verdict, status, decided)
		}
	}
}

// wantVerdict wants the newest entry of the audit log to be about a verdict on a login, or not to be.
func (p *page) wantVerdict(login, verdict string, noted bool) {
	p.t.Helper()
	entries, err := p.app.Audit.List(p.t.Context(), access.CommandLine(), "a.example", 0, 1)
	if err != nil {
		p.t.Fatal(err)
	}
	is := len(entries) > 0 && entries[0].Account == login && entries[0].Action == "mailbox_"+verdict
	if is != noted {
		p.t.Errorf("noted that %s is %s: %v, want %v", login, verdict, is, noted)
	}
}
