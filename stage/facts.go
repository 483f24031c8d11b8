package stage

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"postferry/discover"
	"postferry/store"
)

// VerifyAge is how old a verification may be that counts.
const VerifyAge = 24 * time.Hour

// Facts are what is known of a domain at one moment.
type Facts struct {
	Domain  string
	OldHost string
	NewHost string
	Now     time.Time
	Quiet   time.Duration // for how long nothing may have arrived at the old server
	Move    store.Move
	Names   *discover.Names   // what DNS has just told; nil if it was not asked
	WayBack *store.WayBackSum // what has gone back to the old server; nil where nothing does
	Figures

	// LookedAt: every account that is not finished has been looked at completely since then; zero
	// if one never has.
	LookedAt time.Time
	// VerifiedSince is when the verification was that is the oldest of the accounts'.
	VerifiedSince time.Time
	Mail          store.LateMail
}

// Figures are sums over a domain's accounts. Logins that lead to another account's mailbox are not
// counted.
type Figures struct {
	Accounts    int    `json:"accounts"`
	Begun       int    `json:"begun"`    // of which anything was copied, or is to be
	Complete    int    `json:"complete"` // everything of them is at the new server
	Approved    int    `json:"approved"` // not complete, but a person has approved that
	Troubled    int    `json:"troubled"` // a person has to mend something
	Retrying    int    `json:"retrying"` // they have trouble that may pass by itself
	Stopped     int    `json:"stopped"`
	Done        int    `json:"finished"`
	Unverified  int    `json:"unverified"` // not verified lately
	Damaged     int    `json:"damaged"`    // verified, with damage that nobody has approved
	Messages    uint64 `json:"messages"`   // at the old server
	Copied      uint64 `json:"copied"`
	Quarantined uint64 `json:"quarantined"`
}

// Gather takes a domain's accounts into the facts. Domain, Now, and what concerns the domain as a
// whole are set before.
func (f *Facts) Gather(all []store.Overview) {
	for i := range all {
		if o := &all[i]; o.Domain == f.Domain && o.Alias == 0 {
			f.add(o)
		}
	}
}

// add takes one account in.
func (f *Facts) add(o *store.Overview) {
	s := &o.Summary
	f.Accounts++
	f.Messages += s.Messages
	f.Copied += s.Copied
	f.Quarantined += s.Quarantined
	f.addLate(s.Late)
	if o.State == store.Finished {
		f.Done++
		f.Begun++
		f.Complete++
		return
	}
	switch {
	case Complete(o):
		f.Complete++
	case !s.Approved.When.IsZero():
		f.Approved++
	case o.Problem != nil && o.Problem.NeedsPerson():
		f.Troubled++
	case o.Problem != nil:
		f.Retrying++
	}
	if o.State == store.Stopped {
		f.Stopped++
	}
	if o.State != store.Waiting {
		f.Begun++
	}
	if f.addVerified(s); f.Accounts-f.Done == 1 || s.Completed.Before(f.LookedAt) {
		f.LookedAt = s.Completed
	}
}

// Complete tells whether everything of an account is at the new server.
func Complete(o *store.Overview) bool {
	return o.Summary.Complete && o.Problem == nil && o.Summary.Quarantined == 0
}

// addVerified takes in how an account was verified.
func (f *Facts) addVerified(s *store.Summary) {
	v := &s.Verified
	approved := !s.Approved.When.IsZero() && s.Approved.When.After(v.When)
	switch {
	case v.When.IsZero() || f.Now.Sub(v.When) > VerifyAge || v.When.Before(s.Late.Last):
		f.Unverified++
	case (v.Damage > 0 || v.Unread) && !approved:
		f.Damaged++
	}
	if f.Accounts-f.Done == 1 || v.When.Before(f.VerifiedSince) {
		f.VerifiedSince = v.When
	}
}

// addLate takes in the late mail of an account.
func (f *Facts) addLate(l store.LateMail) {
	if l.Messages == 0 {
		return
	}
	if f.Mail.Last.After(l.Last) { // the newest one's servers stay in front
		l, f.Mail = f.Mail, l
	}
	f.Mail.Add(l)
}

// late is the late mail for people; nil if there is none.
func (f *Facts) late() *Late {
	if f.Mail.Messages == 0 {
		return nil
	}
	l := &Late{Messages: f.Mail.Messages, Last: f.Mail.Last, From: []string{}}
	for _, s := range f.Mail.From {
		if s.Name != "" {
			l.From = append(l.From, s.Name)
		}
	}
	code := codeLate
	if len(l.From) == 0 {
		code = codeLateUnknown
	}
	l.Text = say(code, "messages", l.Messages, "last", l.Last, "servers", strings.Join(l.From, ", "))
	return l
}

// wayBack says how far the way back is; nil if there is none.
func (f *Facts) wayBack() *Message {
	w := f.WayBack
	if w == nil || f.Accounts > 0 && f.Done == f.Accounts {
		return nil
	}
	args := []any{"messages", w.Copied, "last", w.Last, "refused", w.Refused, "open", w.Open, "folders", w.Troubled, "trouble", w.Trouble}
	code := codeWayBackOpen
	switch {
	case w.Troubled > 0:
		code = codeWayBackTrouble
	case w.Refused > 0:
		code = codeWayBackRefused
	case f.Move.Names.MX.IsZero():
		code = codeWayBackReady
	case w.Copied > 0:
		code = codeWayBackUsed
	}
	m := say(code, args...)
	return &m
}

// told and asked are how many DNS servers answer, of those that were asked.
func (f *Facts) told() int {
	if f.Names == nil {
		return 0
	}
	return f.Names.MX.Told
}

func (f *Facts) asked() int {
	if f.Names == nil {
		return 0
	}
	return f.Names.MX.Asked
}

// mxUnderWay tells whether the domain's own name servers tell the new MX.
func (f *Facts) mxUnderWay() bool {
	return f.Names != nil && (f.Names.MX.Spread == discover.SpreadUnder || f.Names.MX.Spread == discover.SpreadDone)
}

// quietSince is since when nothing has arrived at the old server: the last late mail, or since
// the MX has moved and nobody remembers the old one.
func (f *Facts) quietSince() time.Time {
	n := f.Move.Names
	return slices.MaxFunc([]time.Time{n.MX, n.Until, f.Mail.Last}, time.Time.Compare)
}

// otherNames are the names of clients that lead neither to the old server nor to the new one.
func (f *Facts) otherNames() (names []string) {
	for _, n := range f.Names.Names {
		if n.Leads == discover.LeadOther {
			names = append(names, n.Name)
		}
	}
	return names
}

// oldNames are the names of clients that still lead to the old server, and until when they do as
// far as DNS servers remember; known tells whether any name of the domain leads anywhere.
func (f *Facts) oldNames() (names []string, until time.Time, known bool) {
	if f.Names == nil {
		return nil, until, false
	}
	for _, n := range f.Names.Names {
		switch n.Leads {
		case discover.LeadOld:
			names = append(names, n.Name)
			if n.Until.After(until) {
				until = n.Until
			}
		case discover.LeadNew, discover.LeadHere:
			known = true
		}
	}
	return names, until, known || len(names) > 0
}

// nextMX says where the MX is to lead, which is a name (RFC 5321 section 5.1): where only an address of the new
// server is known, that isn't said.
func (f *Facts) nextMX(hosts string) Message {
	if _, err := netip.ParseAddr(f.NewHost); err == nil || f.NewHost == "" {
		return say(codeNextMXName, "hosts", hosts)
	}
	return say(codeNextMX, "hosts", hosts, "to", f.NewHost)
}
