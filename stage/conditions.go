package stage

import (
	"fmt"
	"strings"
	"time"

	"postferry/discover"
	"postferry/store"
)

// condition makes one that is needed.
func condition(name ConditionName, state State, why Message) Condition {
	return Condition{Name: name, State: state, Why: why, Needed: true}
}

// checked: what a check has found counts until accounts are begun; from then on their passes show it.
func (f *Facts) checked() Condition {
	c := f.Move.Checked
	switch {
	case f.Accounts == 0:
		return condition(CheckPassed, Open, say(codeNoAccounts))
	case f.Begun > 0 && f.Troubled > 0:
		return condition(CheckPassed, Open, say(codeTroubled, "accounts", f.Troubled, "of", f.Accounts))
	case f.Begun == f.Accounts:
		return condition(CheckPassed, Met, say(codeShown, "accounts", f.Accounts))
	case c.When.IsZero() || c.Accounts < uint64(f.Accounts-f.Begun):
		return condition(CheckPassed, Unknown, say(codeUnchecked, "accounts", f.Accounts-f.Begun))
	case c.Trouble > 0:
		return condition(CheckPassed, Open, say(codeCheckTrouble, "accounts", c.Trouble, "of", c.Accounts, "when", c.When))
	}
	return condition(CheckPassed, Met, say(codeCheckGood, "accounts", c.Accounts, "when", c.When))
}

// copied: all accounts are complete, or a person has approved what isn't.
func (f *Facts) copied() Condition {
	done := f.Complete + f.Approved
	args := []any{"accounts", done, "of", f.Accounts, "copied", f.Copied, "messages", f.Messages, "left", f.Accounts - done}
	switch {
	case f.Accounts == 0:
		return condition(AllCopied, Open, say(codeNoAccounts))
	case f.Begun == 0:
		return condition(AllCopied, Open, say(codeNotBegun, "accounts", f.Accounts))
	case done < f.Accounts:
		return condition(AllCopied, Open, say(codeNotCopied, args...))
	case f.Approved > 0:
		return condition(AllCopied, Met, say(codeCopiedApproved, append(args, "approved", f.Approved)...))
	}
	return condition(AllCopied, Met, say(codeAllCopied, args...))
}

// clients: no name that clients go by leads to the old server.
func (f *Facts) clients() Condition {
	names, until, known := f.oldNames()
	switch {
	case f.Names == nil || f.Names.MX.Told < 2:
		return condition(ClientsLeadNew, Unknown, say(codeNamesUnknown))
	case len(names) > 0:
		return condition(ClientsLeadNew, Open, say(codeClientsOld, "names", strings.Join(names, ", "), "until", until))
	case !known:
		c := condition(ClientsLeadNew, Unknown, say(codeNoNames))
		if others := f.otherNames(); len(others) > 0 {
			c.Why = say(codeClientsOther, "names", strings.Join(others, ", "))
		}
		c.Needed = false
		return c
	}
	return condition(ClientsLeadNew, Met, say(codeClientsNew))
}

// mx: all DNS servers that answer tell the new MX.
func (f *Facts) mx() Condition {
	if f.Names == nil {
		return condition(MXLeadsNew, Unknown, say(codeNamesUnknown))
	}
	m := f.Names.MX
	args := []any{"new", m.New, "told", m.Told, "asked", m.Asked, "hosts", strings.Join(m.Hosts, ", "), "until", m.Until}
	switch m.Spread {
	case discover.SpreadDone:
		return condition(MXLeadsNew, Met, say(codeMXMoved, args...))
	case discover.SpreadNoMail:
		return condition(MXLeadsNew, Met, say(codeMXNone))
	case discover.SpreadUnder:
		return condition(MXLeadsNew, Open, say(codeMXSpreading, args...))
	case discover.SpreadPartly:
		if len(m.Left) > 0 {
			return condition(MXLeadsNew, Open, say(codeMXBackup, append(args, "left", strings.Join(m.Left, ", "))...))
		}
		return condition(MXLeadsNew, Open, say(codeMXPartly, args...))
	case discover.SpreadNone:
		return condition(MXLeadsNew, Open, say(codeMXOld, args...))
	}
	return condition(MXLeadsNew, Unknown, say(codeMXUnknown, args...))
}

// quiet: since the MX moved, every account has been looked at that long after the last late mail.
func (f *Facts) quiet() Condition {
	until := f.quietSince().Add(f.Quiet)
	args := []any{"wait", Span(f.Quiet / time.Second), "since", f.quietSince(), "until", until, "messages", f.Mail.Messages, "last", f.Mail.Last, "looked", f.LookedAt}
	switch {
	case f.Accounts > 0 && f.Done == f.Accounts:
		return condition(NothingArrives, Met, say(codeQuietEnded))
	case f.Move.Names.MX.IsZero():
		return condition(NothingArrives, Open, say(codeQuietUnknown))
	case f.Accounts > f.Done && !f.LookedAt.Before(until):
		return condition(NothingArrives, Met, say(codeQuiet, args...))
	case f.Now.After(until):
		return condition(NothingArrives, Open, say(codeNotLooked, args...))
	case f.Mail.Messages > 0 && f.quietSince().Equal(f.Mail.Last):
		return condition(NothingArrives, Open, with(codeStillArriving, "late", f.late().Text, args...))
	}
	return condition(NothingArrives, Open, say(codeSettling, args...))
}

// verified: every account was compared lately, without damage.
func (f *Facts) verified() Condition {
	args := []any{"accounts", f.Accounts - f.Done, "unverified", f.Unverified, "damaged", f.Damaged, "since", f.VerifiedSince, "within", Span(VerifyAge / time.Second)}
	switch {
	case f.Accounts == 0:
		return condition(LatelyVerified, Open, say(codeNoAccounts))
	case f.Done == f.Accounts:
		return condition(LatelyVerified, Met, say(codeVerifiedEnded))
	case f.Damaged > 0:
		return condition(LatelyVerified, Open, say(codeDamaged, args...))
	case f.Unverified > 0:
		return condition(LatelyVerified, Open, say(codeUnverified, args...))
	}
	return condition(LatelyVerified, Met, say(codeVerified, args...))
}

// Span is a time in whole seconds, as an argument of a message.
type Span int64

// String is the time in words.
func (s Span) String() string {
	count, unit := int64(s), "second"
	switch {
	case s >= 7200 && s%3600 == 0:
		count, unit = count/3600, "hour"
	case s >= 120:
		count, unit = (count+30)/60, "minute"
	}
	if count != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", count, unit)
}

// NamesSeen is what to keep of what DNS tells, after what was known.
func NamesSeen(was store.NamesSeen, n *discover.Names) store.NamesSeen {
	next := store.NamesSeen{When: n.At, MX: was.MX, Clients: was.Clients, Until: was.Until}
	switch n.MX.Spread {
	case discover.SpreadDone, discover.SpreadNoMail:
		if next.MX.IsZero() {
			next.MX = n.At
		}
	case discover.SpreadUnder:
		// The domain's own servers tell the new MX: from here on mail at the old server is late.
		if next.MX.IsZero() {
			next.MX = n.At
		}
		if n.MX.Until.After(next.Until) {
			next.Until = n.MX.Until
		}
	case discover.SpreadNone, discover.SpreadPartly:
		next.MX, next.Until = time.Time{}, time.Time{}
	}
	f := Facts{Names: n}
	switch names, _, known := f.oldNames(); {
	case len(names) > 0:
		next.Clients = time.Time{}
	case known && next.Clients.IsZero():
		next.Clients = n.At
	}
	return next
}
