package syncer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"postferry/report"
	"postferry/store"
)

func (m *model) visitFolder(t *rapid.T) {
	name := m.folderOf(t, m.pair.new)
	m.visited = true
	for from := range m.movedFrom { // nobody has looked at the other folders since
		m.refilled(from)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	f := &trouble{}
	if rapid.IntRange(0, 2).Draw(t, "in trouble") == 0 {
		f = drawTrouble(t)
	}
	m.set(f.strike)
	m.engine.Connected(ctx, m.id)
	m.engine.Visit(ctx, m.id, name, nil)
	m.engine.Disconnected(m.id)
	m.note("visit %s: %s", name, f.outcome())
	m.recover(f, len(f.faults) == 0)
}

func (m *model) pass() Result {
	time.Sleep(time.Millisecond) // no two passes are at the same moment
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Hour)
	defer cancel()
	m.done.passes.Add(1)
	m.overtaken()
	results, err := m.engine.Sync(ctx, []store.AccountID{m.id}, nil)
	if err != nil {
		m.fail("Sync: %v", err)
	}
	return results[0]
}

// accept says of a mailbox of which hardly anything is known that it is the right one, and tells whether that was asked.
func (m *model) accept(res Result) bool {
	p := res.Problem
	if p == nil || p.Kind != store.OtherMailbox && p.Kind != store.EmptiedMailbox {
		return false
	}
	m.note("the %s mailbox is accepted", p.Server)
	if err := m.engine.DecideMailbox(context.Background(), m.id, report.MailboxAccept); err != nil && !errors.Is(err, report.ErrSameMailbox) {
		m.fail("DecideMailbox: %v", err)
	}
	return true
}

// passWithTrouble makes a pass in which something goes wrong, or nothing.
func (m *model) passWithTrouble(t *rapid.T) {
	f := drawTrouble(t)
	w := m.drawMeanwhile(t, f)
	m.set(f.strike)
	res := m.pass()
	f.close()
	w.end()
	at := f.outcome()
	m.note("pass: %s; %+v", at, res.Pass)
	complete := res.Problem == nil && res.Pass.Complete
	undisturbed := !f.disturbed() && !f.omitted()
	if f.omitted() { // perhaps what has changed
		for body := range m.oldFlags() {
			m.uncarried[body] = true
		}
	}
	if complete && undisturbed {
		if m.dayLater {
			clear(m.uncarried)
		}
		clear(m.counted)
		m.pair.new.onlyHidden(m.unseen)
		m.pair.new.onlyHidden(m.numbered)
		m.shifted, m.visited = false, false
		clear(m.movedFrom)
		clear(m.pair.new.unlisted)
	}
	m.dayLater = false
	m.amnesia = m.amnesia && !complete
	if len(at) > 0 {
		m.done.strikes.Add(1)
	}
	m.recover(f, len(at) == 0 || complete && !f.refusedConnection())
	m.accept(res)
	if complete && !f.crashed() && undisturbed {
		m.check("after a complete pass")
	}
}

// stopAndBegin makes a pass during which a person stops the account, and begins
// it again.
func (m *model) stopAndBegin(t *rapid.T) {
	var left atomic.Int64
	left.Store(rapid.Int64Range(1, 60).Draw(t, "steps"))
	ids := []store.AccountID{m.id}
	var stopping sync.WaitGroup
	m.set(func(string) error {
		if left.Add(-1) == 0 {
			stopping.Go(func() {
				if _, err := m.engine.Stop(context.Background(), ids); err != nil {
					m.t.Errorf("Stop: %v", err)
				}
			})
		}
		return nil
	})
	res := m.pass()
	stopping.Wait()
	m.set(noFault)
	m.note("pass, stopped with %d steps to go; %+v", left.Load(), res.Pass)
	if _, err := m.engine.Begin(context.Background(), ids); err != nil {
		m.fail("Begin: %v", err)
	}
	if p := res.Problem; p != nil && p.Kind == store.Counts && m.usedAgain[p.Folder] { // mail is back at the old server under UIDs that were looked at: not because of the stop
		res = m.pass()
		m.note("pass after that: %+v", res.Pass)
	}
	if p := res.Problem; p != nil && p.Kind != store.MissingFolder && !m.accept(res) {
		m.fail("stopping made a problem: %+v", res.Problem)
	}
	if m.amnesia = m.amnesia && !res.Pass.Complete; res.Pass.Complete {
		m.check("after a complete pass")
	}
}

// recover makes all well again after trouble: what crashed does nothing more
// by then, and servers that rest and accounts that were refused begin anew.
func (m *model) recover(f *trouble, well bool) {
	if !well || f.crashed() {
		m.stop()
		m.set(noFault)
		m.startEngine()
		_ = m.engine.Updated(context.Background(), []store.AccountID{m.id})
	}
	m.set(noFault)
}
