package syncer

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/message"
)

// neverTwice: no message has more copies than there is a reason for, and none
// that the user removed comes back, but for what excuses allow, as losing mail would be worse. Mail
// that its user has received or written on the new server is left alone.
func (m *model) neverTwice(*rapid.T) {
	for body, n := range m.returned() {
		m.excuseUpTo(inDoubt, body, n)
	}
	count := total(m.count(m.pair.new))
	m.excuseLate()
	for body, n := range count {
		over := n + m.removed[body] - m.limit[body]
		if m.use(body, over) > 0 {
			m.fail("%d copies of %q, %d more were removed by the user; there may be %d, and excused are %v", n, body, m.removed[body], m.limit[body], m.excusesOf(body))
		}
	}
	for body, n := range m.own {
		if got := count[body] + m.removed[body]; got != n {
			m.fail("of mail of the user's own there are %d, not %d: %q", got, n, body)
		}
	}
}

// excusesOf are those for a message.
func (m *model) excusesOf(body string) map[excuse]int {
	all := map[excuse]int{}
	for e, bodies := range m.excused {
		if bodies[body] > 0 {
			all[e] = bodies[body]
		}
	}
	return all
}

// returned is how many messages of the old server may have come back: see unproved.
func (m *model) returned() map[string]int {
	all := map[string]int{}
	for body, n := range m.store.unproved.returned() {
		all[m.original(body)] += n
	}
	return all
}

// quiesce ends the history: when all is well again, quarantined messages are tried
// once more, and after two undisturbed passes everything must be there.
func (m *model) quiesce() {
	m.restart(nil)
	m.show(nil)
	m.pair.new.settle()
	ctx := context.Background()
	_ = m.engine.Updated(ctx, []store.AccountID{m.id})
	for m.accept(m.pass()) { // there are two servers
	}
	m.eachFolder(func(f store.Folder, l store.Ledger) {
		var keys []store.Key
		for _, q := range l.Quarantine {
			if !goneSince(q) { // it was removed
				keys = append(keys, q.Key)
			}
		}
		if err := m.engine.Retry(ctx, m.id, f.ID, keys); err != nil {
			m.fail("Retry: %v", err)
		}
	})
	for m.accept(m.pass()) {
	}
	m.decide()
	m.passDay(nil)
	res := m.pass()
	for n := 0; n < 200 && m.notLookedAt(); n++ {
		res = m.pass()
	}
	m.final = true
	if m.onlyRefused(res.Problem) { // it waits for days, and says so
		m.used[refusedWhole] = true
		m.neverTwice(m.t)
		return
	}
	if res.Problem != nil || !res.Pass.Complete {
		m.fail("the last pass is not complete: %+v, problem %+v", res.Pass, res.Problem)
	}
	m.neverTwice(m.t)
	m.check("in the end")
	m.checkQuarantine()
	for _, op := range m.pair.old.log {
		if slices.Contains([]string{"SELECT", "STORE", "APPEND", "CREATE", "SUBSCRIBE"}, op) {
			m.t.Fatalf("%s went to the old server", op)
		}
	}
}

// onlyRefused tells whether a problem is that all that still has to come into a folder is what the new
// server refuses for good: then it is the server that is in trouble, and none of it goes to quarantine.
func (m *model) onlyRefused(p *store.Problem) bool {
	if p == nil || p.Kind != store.MessagesRefused {
		return false
	}
	only := true
	m.eachFolder(func(f store.Folder, l store.Ledger) {
		box := m.pair.old.folder(f.Old)
		if f.Title != p.Folder || box == nil {
			return
		}
		for _, msg := range box.messages {
			_, known := message.FindEntry(l.Entries, message.IMAPKey(box.validity, msg.uid))
			only = only && (known || strings.Contains(string(msg.body), refusedField))
		}
	})
	return only
}

// decide says of the missing folders that they were deleted, as they were, or has them made again.
func (m *model) decide() {
	m.eachFolder(func(f store.Folder, _ store.Ledger) {
		if f.State != store.FolderMissing {
			return
		}
		verdict := report.FolderDeleted
		if old := m.count(m.pair.old)[f.Old]; old != nil && !f.AllMail && rapid.Bool().Draw(m.t, "made again") {
			verdict = report.FolderRecreate
			m.comeAgain(old)
			m.mayComeFromAllMail(old)
			m.mayComeFromElsewhere(f.Old)
		}
		m.note("%s is missing: %s", f.Old, verdict)
		if err := m.engine.DecideFolder(context.Background(), m.id, f.ID, verdict); err != nil {
			m.fail("DecideFolder: %v", err)
		}
	})
}

// comeAgain expects all mail of a folder on the new server, whatever was copied before. What was moved there on the old
// server, out of all mail as well, or has lost a label there, and whose copy its user has removed from another folder, may stay removed.
func (m *model) comeAgain(old map[string]int) {
	copies := total(m.count(m.pair.new))
	for body, n := range old {
		yet := m.yetToCome(body, copies)
		if !m.movedOld[body] && !m.unlabelled(body) && !m.unarchived[body] {
			m.removed[body] = m.removedElsewhere(body)
		}
		m.limit[body] = copies[body] + n + yet + m.removed[body]
		m.double[body] = m.double[body] || copies[body] > 0
		delete(m.mine, body)
		delete(m.excused[unnoticed], body)
	}
}

// mayComeFromAllMail is for what was in a folder that is made again, and was archived at the old server since: it goes to the archive. The model
// doesn't know in which folder a message was that was removed.
func (m *model) mayComeFromAllMail(old map[string]int) {
	copies := total(m.count(m.pair.new))
	for body, n := range m.count(m.pair.old)[allMailFolder] {
		if old[body] == 0 && m.removed[body] > 0 {
			m.limit[body] = max(m.limit[body], copies[body]+n+m.removed[body])
			m.double[body] = true
		}
	}
}

// mayComeFromElsewhere is for what has been moved at the old server since it was copied to a folder that is made again: it is copied again, to where it is
// now. The model doesn't know which folder that was copied to.
func (m *model) mayComeFromElsewhere(made string) {
	copies := total(m.count(m.pair.new))
	for name, folder := range m.count(m.pair.old) {
		for body, n := range folder {
			if name != made && m.removed[body] > 0 && (m.movedOld[body] || m.unlabelled(body)) {
				m.limit[body] = max(m.limit[body], copies[body]+n+m.removed[body])
				m.double[body] = true
			}
		}
	}
}

func (m *model) eachFolder(fn func(store.Folder, store.Ledger)) {
	folders, err := m.db.Folders(context.Background(), m.id)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range folders {
		l, err := m.db.Ledger(context.Background(), m.id, f.ID)
		if err != nil {
			m.t.Fatal(err)
		}
		fn(f, l)
	}
}

// check: every message of the old server is on the new one, with the flags of both,
// unless its user removed it there or it is in quarantine.
func (m *model) check(when string) {
	excused := m.leftAlone()
	old, copies, hidden := m.count(m.pair.old), total(m.count(m.pair.new)), m.hidden()
	mixed := m.mixedUp(excused, copies)
	left := map[string]int{} // messages of folders that their user deleted
	for name, bodies := range old {
		if box := m.pair.old.folder(name); box != nil && box.showsAll() {
			bodies = m.archived(excused)
		}
		for body, n := range bodies {
			missing := n - copies[body] - m.removed[body] - excused[name+"\x00"+body]
			if n := m.excused[unnoticed][body]; missing > 0 && n > 0 {
				missing, m.used[unnoticed] = missing-n, true
			}
			if found := min(max(missing, 0), mixed[name]); found > 0 {
				missing, mixed[name] = missing-found, mixed[name]-found
			}
			left[name] += max(missing, 0)
			if missing > 0 && !m.final && m.coincides(name) {
				missing, m.used[notLooked] = 0, true
			}
			if missing > 0 && excused[name] == 0 {
				m.fail("%s: %s: %d of %d lost: %q", when, name, missing, n, body)
			}
			if n == 1 && name != allMailFolder && copies[body] == 1 && !m.double[body] && !hidden[body] && !m.oneOfSeveral(body) && !m.flagsDiffer(body, m.pair.old) {
				m.checkFlags(when, name, body)
			}
		}
	}
	m.checkLeftOut(when, left)
	m.checkPlaces(when, hidden)
	m.checkLabels(when)
}

// oneOfSeveral tells whether a message was there several times, so that nobody can tell which of them is left, or may be there once more
// as the new server stored it late.
func (m *model) oneOfSeveral(body string) bool {
	m.lateMu.Lock()
	defer m.lateMu.Unlock()
	return m.limit[body] > 1 || m.late[body] > 0
}

// checkLeftOut: what doesn't come because its folder was deleted is counted, as far as the ledger can tell what did come.
func (m *model) checkLeftOut(when string, left map[string]int) {
	m.eachFolder(func(f store.Folder, l store.Ledger) {
		box := m.pair.old.folder(f.Old)
		if box == nil || f.AllMail || m.usedAgain[f.Old] || m.pair.old.fleeting || box.validity != f.Checkpoint.UIDValidity {
			return
		}
		unknown := unknownTo(l, box)
		if f.State == store.FolderDeleted && f.Checkpoint.Checked.IsZero() { // its lines may be of another UIDVALIDITY: they are only counted
			unknown = max(len(box.messages)-len(l.Entries), 0)
		}
		if n := min(left[f.Old], unknown); n > 0 && uint64(n) > f.LeftOut+f.Quarantined {
			m.fail("%s: %s is %s, and %d messages don't come because of it, but told are %d", when, f.Old, f.State, n, f.LeftOut)
		}
	})
}

// unknownTo is how many messages of an old folder a ledger does not have.
func unknownTo(l store.Ledger, box *fakeFolder) (n int) {
	for _, msg := range box.messages {
		if _, known := message.FindEntry(l.Entries, message.IMAPKey(box.validity, msg.uid)); !known {
			n++
		}
	}
	return n
}

// coincides tells whether all numbers of an old folder whose UIDs are others now are what they were: then only the messages that
// a look at the trees draws show it, and it hasn't drawn that folder's yet.
func (m *model) coincides(name string) (is bool) {
	box := m.pair.old.folder(name)
	if box == nil || !m.usedAgain[name] || !m.pair.old.condstor || name == "INBOX" {
		return false
	}
	m.eachFolder(func(f store.Folder, _ store.Ledger) {
		cp := f.Checkpoint
		is = is || f.Old == name && cp.UIDValidity == box.validity && cp.UIDNext == box.next && cp.HighestModSeq == box.modseq
	})
	return is
}

// notLookedAt tells whether mail lacks in a folder that coincides.
func (m *model) notLookedAt() bool {
	copies := total(m.count(m.pair.new))
	for name, bodies := range m.count(m.pair.old) {
		for body, n := range bodies {
			if n > copies[body]+m.removed[body] && m.coincides(name) {
				return true
			}
		}
	}
	return false
}

// mixedUp counts the lines of the quarantine that can't be told from one another, by old folder: their UIDs have been given
// to messages that are copied, and as long as no number has changed nothing shows that.
func (m *model) mixedUp(quarantined, copies map[string]int) map[string]int {
	mixed := map[string]int{}
	for name, bodies := range m.count(m.pair.old) {
		for body, n := range bodies {
			if m.usedAgain[name] {
				mixed[name] += max(min(quarantined[name+"\x00"+body], quarantined[name+"\x00"+body]+copies[body]+m.removed[body]-n), 0)
			}
		}
	}
	return mixed
}

// checkPlaces: a copy has the date that its message has, and is in its folder unless its user has moved it, or it may have been
// archived for a while.
func (m *model) checkPlaces(when string, hidden map[string]bool) {
	of, known := map[string]string{}, map[string]bool{} // old folders by new ones, and those that are known to be somewhere
	m.eachFolder(func(f store.Folder, _ store.Ledger) {
		if f.State == store.FolderPresent {
			of[f.New], known[f.Old] = f.Old, true
		}
	})
	old, copies := map[string][]placed{}, total(m.count(m.pair.new))
	for _, o := range m.messages(m.pair.old) {
		old[o.body] = append(old[o.body], o)
	}
	for _, c := range m.messages(m.pair.new) {
		for _, o := range old[c.body] {
			if !o.date.Equal(c.date) {
				m.fail("%s: %s has the date %v, its copy %v: %q", when, o.folder, o.date, c.date, c.body)
			}
			if copies[c.body] == 1 && m.limit[c.body] == 1 && !m.stray[c.body] && !m.filed[c.body] && !m.double[c.body] && !hidden[c.body] && known[o.folder] && of[c.folder] != o.folder && !slices.Contains(m.labelled[c.body], of[c.folder]) {
				m.fail("%s: the copy of a message of %s is in %s: %q", when, o.folder, c.folder, c.body)
			}
		}
	}
}

// placed is a message where it is.
type placed struct {
	folder, body string
	date         time.Time
}

func (m *model) messages(s *fakeServer) (all []placed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, box := range s.folders {
		if box.showsAll() {
			continue
		}
		for _, msg := range box.messages {
			all = append(all, placed{name, m.original(string(msg.body)), msg.date})
		}
	}
	return all
}

// hidden are the bodies in folders that the new server doesn't tell of for now.
func (m *model) hidden() map[string]bool {
	s := m.pair.new
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]bool{}
	for _, box := range s.hidden {
		for _, msg := range box.messages {
			all[m.original(string(msg.body))] = true
		}
	}
	return all
}

// checkFlags compares flags. Where a folder was deleted on the new server, what was not copied from it before comes from all mail, which may
// have other flags.
func (m *model) checkFlags(when, name, body string) {
	was, got := m.flagsOf(m.pair.old, body), m.flagsOf(m.pair.new, body)
	unclear := m.unclear[body] || m.filed[body] && len(m.lostDirs) > 0
	if left := message.WithoutFlags(got, users); !unclear && (m.final || !m.uncarried[body]) && !slices.Equal(left, was) {
		m.fail("%s: %s: flags %v on the old server, %v on the new: %q", when, name, was, got, body)
	}
	if m.returned()[body] > 0 || m.excused[lostOrRemoved][body]+m.excused[ledgerOlder][body] > 0 {
		return // what its user gave the copy that was removed is not known either
	}
	if left := message.WithoutFlags(message.WithoutFlags(got, theirs), []imap.Flag{imap.FlagDeleted}); !slices.Equal(left, m.mine[body]) && len(left)+len(m.mine[body]) > 0 {
		m.fail("%s: %s: its user gave it %v, now it has %v: %q", when, name, m.mine[body], got, body)
	}
}

// leftAlone counts the quarantined messages of old folders, by folder and body, and
// has the old folders whose user deleted them on the new server.
func (m *model) leftAlone() map[string]int {
	out := map[string]int{}
	m.eachFolder(func(f store.Folder, l store.Ledger) {
		if f.State == store.FolderDeleted || f.State == store.FolderMissing {
			if !slices.ContainsFunc(append([]string{f.New}, strings.Split(f.Renaming, "\x00")...), m.mayBeMissing) {
				m.fail("%s is %s, but nobody deleted it", f.New, f.State)
			}
			out[f.Old]++
		}
		for _, q := range l.Quarantine {
			if goneSince(q) {
				continue // it has an entry as well
			}
			out[f.Old+"\x00"+m.bodyOf(f.Old, q.Key)]++
			if q.Reason == "" || q.Cause == "" {
				m.fail("quarantined without a reason: %x %+v", q.Key, q)
			}
		}
	})
	return out
}

// mayBeMissing tells whether a folder was deleted, or isn't told of for now.
func (m *model) mayBeMissing(name string) bool {
	if m.pair.new.unlisted[name] {
		return true
	}
	for hidden := range m.pair.new.hidden {
		if hidden == name || slices.Contains(m.astray[hidden], name) {
			return true
		}
	}
	return m.lostDirs[name]
}

// bodyOf is the body of a message of the old server; "" if it is gone.
func (m *model) bodyOf(folder string, key store.Key) string {
	m.pair.old.mu.Lock()
	defer m.pair.old.mu.Unlock()
	if m.pair.old.fleeting {
		return m.pair.old.shown[key]
	}
	box := m.pair.old.folders[folder]
	if box == nil {
		return ""
	}
	validity, uid, _ := message.SplitKey(key)
	for _, msg := range box.messages {
		if validity == box.validity && uid == msg.uid {
			return string(msg.body)
		}
	}
	return ""
}

// checkQuarantine: in the end only what the new server refuses for good is there.
func (m *model) checkQuarantine() {
	m.eachFolder(func(f store.Folder, l store.Ledger) {
		for _, q := range l.Quarantine {
			body := m.bodyOf(f.Old, q.Key)
			if v, _, _ := message.SplitKey(q.Key); v != f.Checkpoint.UIDValidity && f.State == store.FolderPresent {
				m.fail("%s: %s is in quarantine, but there is no such message any more", f.Old, message.KeyText(q.Key))
			}
			if body != "" && !strings.Contains(body, refusedField) && !goneSince(q) {
				m.fail("in quarantine for no reason: %+v %q", q, body)
			}
		}
	})
}

// goneSince tells whether a message that was copied is in quarantine because its copy is gone.
func goneSince(q store.Quarantined) bool {
	return strings.Contains(q.Reason.String(), "its user has removed it, or the server has lost it")
}
