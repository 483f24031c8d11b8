package mailbox

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// AliasError ends a look at the trees that found the mailbox to be another account's.
type AliasError struct{ Of store.AccountID }

func (e *AliasError) Error() string { return "the login leads to the mailbox of another account" }

// doubtError ends one that can't tell whether it is: a person has to say.
type doubtError struct {
	of      store.AccountID
	login   string // of that account; "" if it is another domain's
	twice   bool   // both have copied their mail already
	certain bool   // that the new mailbox is the same
	why     string
}

func (e *doubtError) Error() string { return e.why }

func (e *doubtError) Problem() *store.Problem { return sameProblem(e) }

// Summary is for the person at the screen.
func (e *doubtError) Summary() reason.Reason {
	other := reason.Of(reason.AccountNamed, e.login)
	if e.login == "" {
		other = reason.Of(reason.AccountElsewhere)
	}
	switch {
	case e.twice:
		return reason.Of(reason.TroubleSameTwice, other)
	case e.certain:
		return reason.Of(reason.TroubleSame, other)
	}
	return reason.Of(reason.TroubleSameUncertain, other)
}

// ClaimRequest is an account that asks whether a mailbox may be its own.
type ClaimRequest struct {
	Account   store.AccountID
	Mailboxes *Mailboxes
	Store     Store
	Cfg       *config.Config
	Dial      session.Dialers // for a session with another account's login
	Log       zerolog.Logger
}

// Claim finds out whether the account's mailbox is one that another account copies
// into, before anything is. status is that of the old server's folders.
func (r *ClaimRequest) Claim(ctx context.Context, l *session.Pair, s session.Target, status map[string]upstream.Status, known []store.Folder) error {
	c := claim{sides: sidesOf(l, status), oldLogin: l.OldCreds.Login, newLogin: l.NewCreds.Login}
	m, id := r.Mailboxes, r.Account
	row, err := r.Store.AccountByID(ctx, id) // the account's own belongs to its goroutine
	if err != nil {
		return err
	}
	if err := r.endProbe(ctx, s, row.Probe); err != nil {
		return err
	}
	if m.claimed(id, c) {
		return nil
	}
	if err := m.Load(ctx, r.Store, r.Cfg); err != nil {
		return err
	}
	begun := foldertree.Begun(known)
	if l.Traits().Folders && m.company(id, c.servers) && (!begun || c.oldValidity == 0) {
		if status, err = r.numberAgain(ctx, l, status); err != nil {
			return err
		}
		c.sides = sidesOf(l, status)
	}
	if begun && l.Traits().StableUIDs && c.oldValidity == 0 {
		return nil // which is not to be known now: what it claimed before stays
	}
	leave, err := m.enter(ctx, c.sides)
	if err != nil {
		return err
	}
	defer leave()
	others, namesakes := m.others(id, c.sides), m.namesakes(id, c)
	if row, err = r.Store.AccountByID(ctx, id); err != nil { // a person may have answered meanwhile
		return err
	}
	if len(others)+len(namesakes) > 0 && !row.Apart {
		me := claimant{ClaimRequest: r, domain: row.Domain, pair: l, session: s, status: status, begun: begun}
		if err := me.compareAll(ctx, others, namesakes); err != nil {
			return err
		}
		c.newValidity, c.new = me.inbox.UIDValidity, reachedBy(me.inbox)
	}
	c.old = reachedBy(inboxOf(status))
	m.claim(id, c)
	return nil
}

// numberAgain asks for the number of INBOX at the old server once more. Of several sessions that are the first ever
// to open a mailbox each may be told another one (Dovecot); once all have been told, it is what it will be.
func (r *ClaimRequest) numberAgain(ctx context.Context, l *session.Pair, status map[string]upstream.Status) (map[string]upstream.Status, error) {
	old, err := l.Source(ctx)
	if err != nil {
		return nil, err
	}
	st, err := old.Inbox(ctx)
	if err != nil {
		return nil, err
	}
	return withInbox(status, st), nil
}

// withInbox are folders' numbers with others for INBOX.
func withInbox(status map[string]upstream.Status, st upstream.Status) map[string]upstream.Status {
	changed, inbox := map[string]upstream.Status{}, foldertree.InboxName
	for name, other := range status {
		changed[name] = other
		if foldertree.IsInbox(&store.Folder{Old: name}) {
			inbox = name
		}
	}
	changed[inbox] = st
	return changed
}

// claimant is an account that wants a mailbox.
type claimant struct {
	*ClaimRequest
	domain  string
	pair    *session.Pair
	session session.Target
	inbox   upstream.Status            // at the new server
	status  map[string]upstream.Status // of the old server's folders
	begun   bool                       // something has been copied for it
}

// compareAll compares the claimant's mailbox with those of others, in the order in which
// they came. There may be thousands that look alike, where servers number all INBOXes the same
// way (Gmail, Exchange): most can be told apart by what is known of them. Those whose logins are the same but for
// a domain are compared whatever is known.
func (c *claimant) compareAll(ctx context.Context, others map[store.AccountID]claim, namesakes []store.AccountID) error {
	if err := c.lookAtBoth(ctx); err != nil { // after what is known of the others: they may have copied meanwhile
		return err
	}
	left, contradicted, err := c.sortOut(ctx, others)
	if err != nil {
		return err
	}
	if left, err = c.otherMail(ctx, left); err != nil {
		return err
	}
	shared, err := c.sharingMail(ctx, contradicted)
	if err != nil {
		return err
	}
	left = append(left, shared...)
	if err := c.compareNamesakes(ctx, namesakes, left); err != nil {
		return err
	}
	var doubt error
	for _, other := range left {
		err := c.compare(ctx, other)
		if _, unsure := errors.AsType[*doubtError](err); unsure {
			doubt = err // another one may be it for sure
			continue
		}
		if err != nil {
			return err
		}
	}
	return doubt
}

// candidate is an account whose mailbox may be the claimant's.
type candidate struct {
	store.Account
	rows []store.Folder
}

// toldApart tells whether a claim can't be for the claimant's mailbox, by what was known when it was made.
func (c *claimant) toldApart(other claim) bool {
	if v := other.newValidity; v != 0 && v != c.inbox.UIDValidity {
		return true
	}
	return other.new.beyond(c.inbox) || other.old.beyond(inboxOf(c.status))
}

// inboxOf is the status of INBOX at the old server.
func inboxOf(status map[string]upstream.Status) upstream.Status {
	for name, st := range status {
		if foldertree.IsInbox(&store.Folder{Old: name}) {
			return st
		}
	}
	return upstream.Status{}
}

// candidate reads what is known of another account; nil if it has no mailbox of its own, or if a person
// has said that it isn't the claimant's.
func (c *claimant) candidate(ctx context.Context, id store.AccountID) (*candidate, error) {
	other, err := c.Store.AccountByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && other.Alias != 0 {
		c.Mailboxes.release(id)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := c.Store.Folders(ctx, id)
	if err != nil || other.Apart && c.begun {
		return nil, err
	}
	if f := inboxRow(rows); f != nil {
		c.Mailboxes.Pulled(id, f.Checkpoint)
	}
	return &candidate{other, rows}, nil
}

// compare ends with an aliasError if both mailboxes are proved to be another account's, with nil
// if one of them is proved not to be, and with a doubtError otherwise.
func (c *claimant) compare(ctx context.Context, other candidate) error {
	doubt := &doubtError{of: other.ID, twice: c.begun && foldertree.Begun(other.rows)}
	if other.Domain == c.domain {
		doubt.login = other.Login
	}
	same, err := c.sameNew(ctx, other.Account)
	if why := whyUnproved(err); why != "" {
		doubt.why = "the new mailboxes: " + why
		return doubt
	}
	if err != nil || !same {
		return err
	}
	doubt.certain = true
	same, err = c.sameOld(ctx, other.Account)
	if why := whyUnproved(err); why != "" {
		doubt.why = "the old mailboxes: " + why
		return doubt
	}
	switch {
	case err != nil || !same:
		return err
	case doubt.twice:
		doubt.why = "both have a ledger of their own"
		return doubt
	}
	return &AliasError{Of: other.ID}
}

// lookAtBoth asks for the numbers of the claimant's INBOXes on both servers.
func (c *claimant) lookAtBoth(ctx context.Context) error {
	if err := c.look(ctx); err != nil {
		return err
	}
	if !c.pair.Traits().Folders {
		return nil
	}
	old, err := c.pair.Source(ctx)
	if err != nil {
		return err
	}
	st, err := old.Inbox(ctx)
	if err != nil {
		return err
	}
	c.status = withInbox(c.status, st)
	return nil
}

// look asks for the number of the claimant's INBOX at the new server.
func (c *claimant) look(ctx context.Context) error {
	all, err := c.session.Status(ctx, []string{"INBOX"})
	if err == nil {
		c.inbox = all["INBOX"]
	}
	return err
}

// contradicts tells whether another account's INBOXes can't be the claimant's: UIDs only grow
// (RFC 9051 section 2.3.1.1).
func (c *claimant) contradicts(rows []store.Folder) bool {
	for i := range rows {
		f := &rows[i]
		if !foldertree.IsInbox(f) {
			continue
		}
		cp := f.Checkpoint
		if cp.NewUIDValidity != 0 && c.inbox.UIDValidity != 0 && cp.NewUIDValidity != c.inbox.UIDValidity {
			return true
		}
		new, old := reached{cp.NewUIDValidity, cp.NewUIDNext}, reached{cp.UIDValidity, cp.UIDNext}
		if new.beyond(c.inbox) || old.beyond(c.status[f.Old]) {
			return true
		}
	}
	return false
}

// unprovedError says why something could not be proved.
type unprovedError struct{ why string }

func (e *unprovedError) Error() string { return e.why }

// whyUnproved is why something could not be proved; "" if err is another one, or nil. What may
// pass by itself is no reason: it is tried again.
func whyUnproved(err error) string {
	if e, ok := errors.AsType[*unprovedError](err); ok {
		return e.why
	}
	if d, ok := errors.AsType[problem.Describer](err); ok { // such as a token that was taken back a moment ago
		p := store.Problem{Advice: store.RetryLater}
		if d.Describe(&p); p.Advice == store.RetryLater {
			return ""
		}
	}
	switch link.ClassOf(err) {
	case link.Fix, link.Refused:
		return err.Error()
	}
	return ""
}

// sameNew tells whether another account's login leads to the claimant's mailbox at the new server.
func (c *claimant) sameNew(ctx context.Context, other store.Account) (bool, error) {
	if other.New.Login == c.pair.NewCreds.Login {
		return true, nil // the server has just accepted it
	}
	mine, ok := c.session.(prober)
	if !ok {
		return false, &unprovedError{"the session can't be used for a probe"}
	}
	end := c.pair.New.End
	s, err := c.Dial.New(ctx, end.Server, other.New, c.options(end))
	if err != nil {
		return false, err
	}
	defer s.Close()
	theirs, ok := s.(prober)
	if !ok {
		return false, &unprovedError{"the session can't be used for a probe"}
	}
	return probe(ctx, mine, theirs, func(p store.Probe) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeWait)
		defer cancel()
		return c.Store.SetProbe(ctx, c.Account, p)
	})
}

// options are those of a session beside the pair's. It has no place in the pool: whoever
// holds one and waits for another would wait for ever where there is only one.
func (c *claimant) options(end session.Endpoint) link.Options {
	return link.Options{Stall: c.pair.Stall, ReadOnly: end.ReadOnly, Role: end.Role(), Log: c.Log,
		Progress: end.Pool.Alive, Quirks: &end.Pool.Quirks}
}

// sameProblem is what an account waits with for a person.
func sameProblem(e *doubtError) *store.Problem {
	return &store.Problem{Kind: store.SameMailbox, Server: store.NewSide, Summary: e.Summary(), Cause: e.why,
		Advice: store.NeedsFix, Since: time.Now()}
}
