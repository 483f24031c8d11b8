package verify

import (
	"context"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/session"
)

// report explains what is missing of a folder and tells all of it.
func (c *accountCheck) report(ctx context.Context, p *folderPair) error {
	reasons, err := c.explain(ctx, p)
	if err != nil {
		return err
	}
	v := report.VerifiedFolder{
		Login: c.row.Login, Folder: p.Title, NewFolder: foldertree.DecodeName(p.newName),
		OldMessages: uint64(len(p.old)), NewMessages: uint64(len(p.new) - p.spared), Same: uint64(p.same), Found: report.FindingCounts{},
	}
	slices.SortStableFunc(p.verdicts, p.byUID)
	for _, d := range p.verdicts {
		f := p.finding(d)
		if why := reasons[d.old]; d.old != nobody && why != "" && (d.new == nobody || d.kind == report.Mended || d.kind == report.Quarantined) {
			f.Reason = why
		}
		v.Found[d.kind]++
		if err := c.found(f); err != nil {
			return err
		}
	}
	c.add(&v)
	return c.run.tell(report.VerifyEvent{Folder: &v})
}

// add sums a folder up.
func (c *accountCheck) add(f *report.VerifiedFolder) {
	c.result.Folders++
	c.result.OldMessages += f.OldMessages
	c.result.NewMessages += f.NewMessages
	c.result.Same += f.Same
}

// byUID orders what is about messages of the old server by their UIDs, then the rest.
func (p *folderPair) byUID(a, b verdict) int {
	key := func(v verdict) (int, imap.UID) {
		if v.old == nobody {
			return 1, p.new[v.new].uid
		}
		return 0, p.old[v.old].uid
	}
	sideA, uidA := key(a)
	sideB, uidB := key(b)
	if sideA != sideB {
		return sideA - sideB
	}
	return int(int64(uidA) - int64(uidB))
}

// finding puts a verdict into words.
func (p *folderPair) finding(d verdict) report.Finding {
	f := report.Finding{Folder: p.Title, NewFolder: foldertree.DecodeName(p.newName), Kind: d.kind}
	var old, new record
	if d.new != nobody {
		new = p.new[d.new]
		f.NewUID, f.Size, f.Date = new.uid, int64(new.size), new.when()
	}
	if d.old != nobody {
		old = p.old[d.old]
		f.OldUID, f.Size = old.uid, int64(old.size)
		if d.new == nobody || old.when() != nil { // POP3 tells none
			f.Date = old.when()
		}
	}
	switch d.kind {
	case report.Dated, report.Mended:
		if old.date == new.date || old.when() == nil || new.when() == nil {
			break
		}
		f.Old, f.New = reason.Said(old.when().Format(time.RFC3339)), reason.Said(new.when().Format(time.RFC3339))
	case report.Flagged:
		f.Old, f.New = reason.Said(p.flags.text(old.flags)), reason.Said(p.flags.text(new.flags))
	case report.Altered:
		if old.size != new.size {
			f.Old, f.New = reason.Of(reason.Octets, old.size), reason.Of(reason.Octets, new.size)
		}
	case report.Unreadable:
		f.Reason = p.unreadable(d)
	case report.Doubled:
		if p.Order.MovingUIDs().Contains(new.uid) || p.Order.Moving != "" && new.uid >= p.Order.UIDNext {
			f.Reason = reason.Of(reason.InBothPlaces)
		}
	case report.Removed:
		f.Reason = reason.Of(reason.Removed)
	}
	return f
}

// when is the INTERNALDATE, nil if unknown.
func (r record) when() *time.Time {
	if r.date == noDate {
		return nil
	}
	t := time.Unix(r.date, 0).UTC()
	return &t
}

// explain looks up in the store why messages are missing or altered and gives
// their verdicts another kind where that says more. It returns reasons by the
// message's place.
func (c *accountCheck) explain(ctx context.Context, p *folderPair) (map[int32]reason.Reason, error) {
	wanting := func(v verdict) bool {
		return v.kind == report.Missing || v.kind == report.Altered || v.kind == report.Dated || v.kind == report.Unreadable
	}
	if !slices.ContainsFunc(p.verdicts, wanting) || p.ID == 0 {
		return nil, nil
	}
	ledger, err := c.run.Store.Ledger(ctx, c.row.ID, p.ID)
	if err != nil {
		return nil, err
	}
	return newExplainer(p, ledger).all(), nil
}

// all explains all verdicts of the folder.
func (e *explainer) all() map[int32]reason.Reason {
	reasons := make(map[int32]reason.Reason)
	for i := range e.verdicts {
		v := &e.verdicts[i]
		var why reason.Reason
		if v.kind == report.Missing {
			why = e.missing(v)
		}
		if v.kind == report.Altered {
			why = e.altered(v)
		}
		if v.kind == report.Unreadable {
			why = e.unread(v)
		}
		if v.kind == report.Dated {
			why = e.dated(v)
		}
		if why != "" {
			reasons[v.old] = why
		}
	}
	e.verdicts = slices.DeleteFunc(e.verdicts, func(v verdict) bool {
		return v.old == nobody && e.taken[v.new]
	})
	return reasons
}

// explainer knows a folder's ledger and what lies in the folder on the new server.
type explainer struct {
	*folderPair
	ledger  store.Ledger
	known   *session.Known
	present []imap.UID         // on the new server, sorted
	alone   map[imap.UID]int32 // messages of the new server without a partner
	taken   map[int32]bool     // of alone, those that turned out to be an altered copy
}

func newExplainer(p *folderPair, ledger store.Ledger) *explainer {
	e := &explainer{
		folderPair: p, ledger: ledger, known: session.NewKnown(ledger, p.oldSel.Keys),
		alone: map[imap.UID]int32{}, taken: map[int32]bool{},
	}
	for _, r := range p.new {
		e.present = append(e.present, r.uid)
	}
	slices.Sort(e.present)
	for _, v := range p.verdicts {
		if v.old == nobody {
			e.alone[p.new[v.new].uid] = v.new
		}
	}
	return e
}

// missing explains one message that is not on the new server, as far as can
// be seen from there.
func (e *explainer) missing(v *verdict) reason.Reason {
	uid := e.old[v.old].uid
	if _, refused := e.known.Refused[uid]; refused {
		v.kind = report.Quarantined
		return e.quarantined(uid)
	}
	entry, copied := e.known.Entry(uid)
	switch {
	case !copied && e.Checkpoint.UIDValidity == e.oldSel.UIDValidity && uid >= e.Checkpoint.UIDNext:
		return reason.Of(reason.NotYet)
	case !copied:
		return reason.Of(reason.Never)
	case entry.UID != 0 && entry.UIDValidity != e.newSel.UIDValidity:
		return reason.Of(reason.OtherFolder)
	}
	if n, ok := e.alone[entry.UID]; ok && !e.taken[n] {
		v.kind, v.new, e.taken[n] = report.Altered, n, true
		if e.new[n].headless {
			v.kind = report.Unreadable
		}
		return ""
	}
	if _, there := slices.BinarySearch(e.present, entry.UID); there {
		return reason.Of(reason.OtherMessage)
	}
	if e.moving(entry) {
		return e.underway(v)
	}
	v.kind = report.Removed
	return ""
}

// moving reports whether a copy is one of those that were about to be moved within the folder when
// that was interrupted: nobody has removed it.
func (e *explainer) moving(entry store.Entry) bool {
	return entry.UID != 0 && entry.UIDValidity == e.Order.UIDValidity && e.Order.MovingUIDs().Contains(entry.UID)
}

// underway looks for a message that is not where it was before such a move, nor anywhere with the same
// content: an altered copy. It has kept its INTERNALDATE (RFC 9051 section 6.4.8).
func (e *explainer) underway(v *verdict) reason.Reason {
	stands := session.NewUIDs(e.ledger, e.newSel.UIDValidity)
	for _, uid := range e.present {
		n, alone := e.alone[uid]
		_, other := stands[uid]
		if alone && !other && uid >= e.Order.UIDNext && !e.taken[n] && e.new[n].date == e.old[v.old].date {
			v.kind, v.new, e.taken[n] = report.Altered, n, true
			return ""
		}
	}
	return reason.Of(reason.BetweenPlaces)
}

// unread finds out what is known of a message of the old server that can't be read there:
// that it is in quarantine, or what its copy is.
func (e *explainer) unread(v *verdict) reason.Reason {
	if v.old == nobody {
		return ""
	}
	uid := e.old[v.old].uid
	if _, refused := e.known.Refused[uid]; refused {
		v.kind = report.Quarantined
		return e.quarantined(uid)
	}
	if entry, copied := e.known.Entry(uid); copied && v.new == nobody && entry.UIDValidity == e.newSel.UIDValidity {
		if n, ok := e.alone[entry.UID]; ok && !e.taken[n] {
			v.new, e.taken[n] = n, true
		}
	}
	return ""
}

// altered tells a repaired message from a damaged one.
func (e *explainer) altered(v *verdict) reason.Reason {
	key := e.oldSel.Keys.Key(e.old[v.old].uid)
	for _, r := range e.ledger.Repaired {
		if r.Key == key {
			v.kind = report.Mended
			return r.What
		}
	}
	return ""
}

// dated tells a date that was replaced, or that the new server may not have been able to
// hold, from one that it has lost.
func (e *explainer) dated(v *verdict) reason.Reason {
	why := e.altered(v)
	if why == "" && !message.Holdable(time.Unix(e.old[v.old].date, 0), time.Now()) {
		v.kind, why = report.Mended, reason.Of(reason.OddDate)
	}
	return why
}

func (e *explainer) quarantined(uid imap.UID) reason.Reason {
	key := e.oldSel.Keys.Key(uid)
	for _, q := range e.ledger.Quarantine {
		if q.Key == key {
			return q.Reason
		}
	}
	return ""
}
