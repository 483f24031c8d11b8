package stage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postferry/discover"
	"postferry/report/reason"
	"postferry/store"
)

var now = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// settled is a domain of three accounts whose old server may be switched off.
func settled() *Facts {
	return &Facts{Domain: "example.com", OldHost: "imap.old.example", NewHost: "imap.new.example", Now: now, Quiet: 48 * time.Hour,
		Move:  store.Move{Names: store.NamesSeen{When: now, MX: ago(72 * time.Hour), Until: ago(71 * time.Hour)}},
		Names: names(discover.SpreadDone, 6, 6, discover.LeadHere)}
}

func names(s discover.Spread, isNew, told int, lead discover.Lead) *discover.Names {
	return &discover.Names{At: now, MX: discover.MXSpread{Spread: s, New: isNew, Told: told, Asked: 6, Hosts: []string{"mx.example"}},
		Names: []discover.Name{{Kind: discover.KindHost, Name: "imap.example.com", Leads: lead}}}
}

// accounts are so many that are through.
func accounts(n int) []store.Overview {
	all := make([]store.Overview, n)
	for i := range all {
		all[i] = store.Overview{Account: store.Account{ID: store.AccountID(i + 1), Domain: "example.com", Login: fmt.Sprintf("p%d@example.com", i), State: store.Active},
			Summary: store.Summary{Messages: 10, Copied: 10, Passes: 2, LastPass: ago(time.Minute), Complete: true, Completed: ago(time.Minute),
				Verified: store.Verified{When: ago(time.Hour)}}}
	}
	return all
}

func each(all []store.Overview, set func(*store.Overview)) []store.Overview {
	for i := range all {
		set(&all[i])
	}
	return all
}

// TestWayBack: what is said of mail that goes back.
func TestWayBack(t *testing.T) {
	for want, sum := range map[Code]*store.WayBackSum{
		"": nil, codeWayBackOpen: {}, codeWayBackUsed: {Copied: 12, Last: now}, codeWayBackRefused: {Copied: 12, Refused: 3},
		codeWayBackTrouble: {Copied: 12, Troubled: 2, Trouble: reason.Of(reason.BackFull)}, codeWayBackReady: {Copied: 0},
	} {
		f := settled()
		f.WayBack, f.Move.Names.MX = sum, now
		if want == codeWayBackReady {
			f.Move.Names.MX = time.Time{}
		}
		m := Assess(f).WayBack
		if (m == nil) != (want == "") || m != nil && m.Code != want {
			t.Errorf("%+v: %+v", sum, m)
		}
		if want == codeWayBackTrouble && m.Text != "The way back is not whole: from some folders (2) nothing is copied back to the old server: the old mailbox is full. Messages that were copied back: 12." {
			t.Error(m.Text)
		}
	}
}

// TestVerifiedAtTheEnd: of a domain that is finished it isn't said how many accounts were verified since when, as no account is left.
func TestVerifiedAtTheEnd(t *testing.T) {
	f := settled()
	f.Gather(each(accounts(3), func(o *store.Overview) { o.State = store.Finished }))
	if c := f.verified(); c.State != Met || c.Why.Text != "Nothing is left to be verified: the report says how each account has come over." {
		t.Errorf("%+v", c)
	}
}

// TestAssess goes along the whole move.
func TestAssess(t *testing.T) {
	waiting := func(o *store.Overview) { o.State, o.Summary = store.Waiting, store.Summary{} }
	for name, c := range map[string]struct {
		all  []store.Overview
		set  func(*Facts)
		want Stage
		next Code
		safe bool
		open string // names of conditions that are not met
	}{
		"empty":         {nil, nil, Preparing, codeNextAdd, false, "checked copied quiet verified"},
		"not checked":   {each(accounts(3), waiting), nil, Preparing, codeNextCheck, false, "checked copied quiet verified"},
		"check trouble": {each(accounts(3), waiting), func(f *Facts) { f.Move.Checked = store.Checked{When: now, Accounts: 3, Trouble: 1} }, Preparing, codeNextCheck, false, "checked copied quiet verified"},
		"checked":       {each(accounts(3), waiting), func(f *Facts) { f.Move.Checked = store.Checked{When: now, Accounts: 3} }, Checked, codeNextBegin, false, "copied quiet verified"},
		"copying": {each(accounts(3), func(o *store.Overview) { o.Summary.Complete = o.ID > 1 }),
			func(f *Facts) {
				f.Names = names(discover.SpreadNone, 0, 6, discover.LeadOld)
				f.Move.Names = store.NamesSeen{}
			},
			Copying, codeNextWaitCopy, false, "copied clients mx quiet"},
		"a password is wrong": {each(accounts(3), func(o *store.Overview) {
			if o.ID == 1 {
				o.Problem = &store.Problem{Advice: store.NeedsFix, Summary: reason.Said("It refuses the password.")}
			}
		}), nil, Copying, codeNextMend, false, "checked copied"},
		"refused messages": {each(accounts(3), func(o *store.Overview) { o.Summary.Copied, o.Summary.Quarantined = 9, 1 }), nil, Copying, codeNextQuarantine, false, "copied"},
		"approved": {each(accounts(3), func(o *store.Overview) {
			o.Summary.Copied, o.Summary.Quarantined, o.Summary.Approved = 9, 1, store.Approval{When: now, By: "root"}
		}), nil, Safe, codeNextFinish, true, ""},
		"copied": {accounts(3), func(f *Facts) {
			f.Names = names(discover.SpreadNone, 0, 6, discover.LeadOld)
			f.Move.Names = store.NamesSeen{}
		},
			Copied, codeNextClients, false, "clients mx quiet"},
		"clients switched": {accounts(3), func(f *Facts) {
			f.Names = names(discover.SpreadNone, 0, 6, discover.LeadHere)
			f.Move.Names = store.NamesSeen{}
		},
			ClientsSwitched, codeNextMX, false, "mx quiet"},
		"an MX leads to no address": {accounts(3), func(f *Facts) {
			f.NewHost, f.Names, f.Move.Names = "192.0.2.1", names(discover.SpreadNone, 0, 6, discover.LeadHere), store.NamesSeen{}
		},
			ClientsSwitched, codeNextMXName, false, "mx quiet"},
		"mx spreading": {accounts(3), func(f *Facts) {
			f.Names = names(discover.SpreadUnder, 5, 6, discover.LeadHere)
			f.Move.Names = store.NamesSeen{MX: ago(time.Hour), Until: now.Add(time.Hour)}
		}, MXSwitched, codeNextWaitDNS, false, "mx quiet"},
		"backup mx": {accounts(3), func(f *Facts) {
			f.Names = names(discover.SpreadPartly, 5, 6, discover.LeadHere)
			f.Names.MX.Left = []string{"mx.old.example"}
		}, ClientsSwitched, codeNextBackup, false, "mx"},
		"dns unknown": {accounts(3), func(f *Facts) { f.Names = nil }, Copied, codeNextNames, false, "clients mx"},
		"one answer":  {accounts(3), func(f *Facts) { f.Names = names(discover.SpreadUnknown, 1, 1, discover.LeadHere) }, Copied, codeNextNames, false, "clients mx"},
		"settling":    {accounts(3), func(f *Facts) { f.Move.Names.MX, f.Move.Names.Until = ago(3*time.Hour), ago(2*time.Hour) }, Settling, codeNextWaitQuiet, false, "quiet"},
		"late mail": {each(accounts(3), func(o *store.Overview) {
			o.Summary.Late = store.LateMail{Messages: 4, Last: ago(3 * time.Hour), From: [3]store.LateServer{{Name: "mx.slow.example", Messages: 4}}}
		}), nil, Settling, codeNextWaitQuiet, false, "quiet"},
		"not looked at":   {each(accounts(3), func(o *store.Overview) { o.Summary.Completed = ago(50 * time.Hour) }), nil, Settling, codeNextLook, false, "quiet"},
		"not verified":    {each(accounts(3), func(o *store.Overview) { o.Summary.Verified.When = ago(25 * time.Hour) }), nil, Settling, codeNextVerify, false, "verified"},
		"damage":          {each(accounts(3), func(o *store.Overview) { o.Summary.Verified.Damage = 1 }), nil, Settling, codeNextDamage, false, "verified"},
		"safe":            {accounts(3), nil, Safe, codeNextFinish, true, ""},
		"no names":        {accounts(3), func(f *Facts) { f.Names.Names = nil }, Safe, codeNextFinish, true, "clients"},
		"names elsewhere": {accounts(3), func(f *Facts) { f.Names.Names[0].Leads = discover.LeadOther }, Safe, codeNextFinish, true, "clients"},
		"one finished": {each(accounts(3), func(o *store.Overview) {
			if o.ID == 1 {
				o.State, o.Summary = store.Finished, store.Summary{}
			}
		}), nil, Safe, codeNextFinish, true, ""},
		"finished": {each(accounts(3), func(o *store.Overview) { o.State = store.Finished }), nil, Finished, codeNextForget, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := settled()
			if c.set != nil {
				c.set(f)
			}
			f.Gather(append(c.all, store.Overview{Account: store.Account{Domain: "example.net", State: store.Active}},
				store.Overview{Account: store.Account{Domain: "example.com", Alias: 1}}))
			a := Assess(f)
			var open []string
			for _, x := range a.Conditions {
				if x.State != Met {
					open = append(open, string(x.Name))
				}
				wantWhole(t, x.Why)
			}
			if a.Stage != c.want || a.Next.Code != c.next || a.Safe != c.safe || strings.Join(open, " ") != c.open {
				t.Errorf("%s, next %s, safe %v, open %q; want %s, %s, %v, %q\n%s", a.Stage, a.Next.Code, a.Safe, open, c.want, c.next, c.safe, c.open, a.Verdict.Text)
			}
			wantWhole(t, a.Next)
			wantWhole(t, a.Verdict)
			if strings.HasPrefix(a.Verdict.Text, "Safe to switch off the old server: yes") != c.safe {
				t.Error(a.Verdict.Text)
			}
		})
	}
}

// wantWhole wants a sentence in which nothing is missing.
func wantWhole(t *testing.T, m Message) {
	t.Helper()
	if m.Text == "" || strings.ContainsAny(m.Text, "{}") || strings.Contains(m.Text, "..") {
		t.Errorf("%s: %q", m.Code, m.Text)
	}
}

// TestLateMailIsTold: from all accounts, the last server first.
func TestLateMailIsTold(t *testing.T) {
	f, all := settled(), accounts(2)
	all[0].Summary.Late = store.LateMail{Messages: 2, Last: ago(time.Hour), From: [3]store.LateServer{{Name: "a.example", Messages: 2}}}
	all[1].Summary.Late = store.LateMail{Messages: 10, Last: ago(3 * time.Hour), From: [3]store.LateServer{{Name: "b.example", Messages: 9}, {Name: "a.example", Messages: 1}}}
	f.Gather(all)
	l := Assess(f).Late
	if l == nil || l.Messages != 12 || !l.Last.Equal(ago(time.Hour)) || !slices.Equal(l.From, []string{"a.example", "b.example"}) || !strings.Contains(l.Text.Text, "since the MX moved: 12, ") {
		t.Errorf("%+v", l)
	}
}

// TestNamesElsewhere: names that lead to neither server are told, and not taken for none.
func TestNamesElsewhere(t *testing.T) {
	f := settled()
	f.Gather(accounts(1))
	f.Names.Names[0].Leads = discover.LeadOther
	if why := Assess(f).Conditions[2].Why; why.Code != codeClientsOther || !strings.Contains(why.Text, "imap.example.com") {
		t.Errorf("%+v", why)
	}
}

// TestNamesSeen: what is kept of DNS says since when.
func TestNamesSeen(t *testing.T) {
	was := store.NamesSeen{}
	under := names(discover.SpreadUnder, 5, 6, discover.LeadOld)
	under.MX.Until = now.Add(time.Hour)
	first := NamesSeen(was, under)
	if !first.MX.Equal(now) || !first.Until.Equal(now.Add(time.Hour)) || !first.Clients.IsZero() {
		t.Errorf("spreading: %+v", first)
	}
	done := names(discover.SpreadDone, 6, 6, discover.LeadHere)
	done.At = now.Add(2 * time.Hour)
	second := NamesSeen(first, done)
	if !second.MX.Equal(now) || !second.Until.Equal(first.Until) || !second.Clients.Equal(done.At) || !second.When.Equal(done.At) {
		t.Errorf("moved: %+v", second)
	}
	if lost := NamesSeen(second, names(discover.SpreadUnknown, 0, 0, discover.LeadUnknown)); !lost.MX.Equal(now) {
		t.Errorf("no answer takes nothing back: %+v", lost)
	}
	if back := NamesSeen(second, names(discover.SpreadNone, 0, 6, discover.LeadOld)); !back.MX.IsZero() || !back.Clients.IsZero() {
		t.Errorf("back: %+v", back)
	}
}

func TestGradeOf(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*store.Overview)
		want Grade
		why  string
	}{
		"perfect":     {func(*store.Overview) {}, Perfect, ""},
		"left out":    {func(o *store.Overview) { o.Summary.LeftOut = 3 }, Good, codeGradeLeftOut},
		"doubtful":    {func(o *store.Overview) { o.Summary.Verified.Doubtful = 3 }, Good, codeGradeDoubtful},
		"damage":      {func(o *store.Overview) { o.Summary.Verified.Damage, o.Summary.LeftOut = 3, 1 }, NeedsLook, codeGradeDamage + " " + codeGradeLeftOut},
		"quarantined": {func(o *store.Overview) { o.Summary.Quarantined = 3 }, NeedsLook, codeGradeQuarantined},
		"incomplete":  {func(o *store.Overview) { o.Summary.Complete = false }, NeedsLook, codeGradeIncomplete},
		"problem":     {func(o *store.Overview) { o.Problem = &store.Problem{Summary: reason.Said("No.")} }, NeedsLook, codeGradeProblem},
		"unverified":  {func(o *store.Overview) { o.Summary.Verified = store.Verified{} }, NeedsLook, codeGradeUnverified},
		"unreadable":  {func(o *store.Overview) { o.Summary.Verified.Unread = true }, NeedsLook, codeGradeUnverified},
		"late after":  {func(o *store.Overview) { o.Summary.Late = store.LateMail{Messages: 1, Last: ago(time.Minute)} }, NeedsLook, codeGradeUnverified},
	} {
		t.Run(name, func(t *testing.T) {
			o := accounts(1)[0]
			c.set(&o)
			grade, why := GradeOf(&o, now)
			var codes []string
			for _, m := range why {
				codes = append(codes, m.Code)
				wantWhole(t, m)
			}
			if grade != c.want || strings.Join(codes, " ") != c.why {
				t.Errorf("%s because %s", grade, codes)
			}
		})
	}
}

// TestSpan: times that are short are not told as an hour.
func TestSpan(t *testing.T) {
	for span, want := range map[Span]string{1: "1 second", 90: "90 seconds", 600: "10 minutes", 3600: "60 minutes", 7200: "2 hours", 48 * 3600: "48 hours"} {
		if got := span.String(); got != want {
			t.Errorf("%d: %q, want %q", int64(span), got, want)
		}
	}
	f := settled()
	f.Quiet, f.Move.Names.MX, f.Move.Names.Until = 10*time.Minute, ago(time.Minute), time.Time{}
	f.Gather(accounts(1))
	f.LookedAt = f.Move.Names.MX
	if said := Assess(f).Verdict.Text; !strings.Contains(said, ", 10 minutes after that.") {
		t.Error(said)
	}
}

// TestSentences: every placeholder is a name, and codes are stable words.
func TestSentences(t *testing.T) {
	code := regexp.MustCompile(`^[a-z_]+$`)
	for c, text := range Sentences() {
		if !code.MatchString(c) || text == "" {
			t.Errorf("%q: %q", c, text)
		}
	}
}
