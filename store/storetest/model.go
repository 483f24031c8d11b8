package storetest

import (
	"cmp"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/report/reason"
	"postferry/store"
)

// model is what a store should hold, written as plainly as possible.
type model struct {
	accounts []modelAccount // by ID, from 1
}

type modelAccount struct {
	store.Account
	folders []*modelFolder // by ID, from 1
	passes  []store.Pass
}

type modelFolder struct {
	store.Folder
	entries     map[store.Key]store.Entry
	intents     map[store.Key]store.Intent
	quarantined map[store.Key]store.Quarantined
	repaired    map[store.Key]store.Repaired
	lost        map[store.Key]store.Intent
}

func (m *modelFolder) apply(b store.Batch) {
	for _, k := range b.Forget {
		if _, ok := m.entries[k]; ok {
			delete(m.repaired, k)
		}
		delete(m.entries, k)
	}
	for _, k := range b.Drop {
		delete(m.intents, k)
		delete(m.repaired, k)
	}
	for _, in := range b.Lost {
		m.lost[in.Key] = in
		delete(m.intents, in.Key)
		delete(m.repaired, in.Key)
	}
	for _, k := range b.Found {
		delete(m.lost, k)
	}
	for _, k := range b.Release {
		delete(m.quarantined, k)
	}
	for _, in := range b.Intents {
		m.intents[in.Key] = in
	}
	for _, re := range b.Repaired {
		m.repaired[re.Key] = re
	}
	for _, e := range b.Proofs {
		m.entries[e.Key] = e
		delete(m.intents, e.Key)
		delete(m.quarantined, e.Key)
	}
	for _, q := range b.Quarantine {
		m.quarantined[q.Key] = q
		delete(m.intents, q.Key)
		if _, copied := m.entries[q.Key]; !copied {
			delete(m.repaired, q.Key)
		}
	}
	if b.Checkpoint != nil {
		m.Checkpoint = *b.Checkpoint
	}
	if b.Order != nil {
		m.Order = *b.Order
	}
	m.Copied, m.Quarantined, m.Again, m.Lost = uint64(len(m.entries)), uint64(len(m.quarantined)), 0, uint64(len(m.lost))
	for _, q := range m.quarantined {
		if q.Again {
			m.Again++
		}
	}
}

func (m *modelFolder) ledger() store.Ledger {
	return store.Ledger{
		Entries:    slices.SortedFunc(maps.Values(m.entries), func(a, b store.Entry) int { return cmp.Compare(a.Key, b.Key) }),
		Intents:    slices.SortedFunc(maps.Values(m.intents), func(a, b store.Intent) int { return cmp.Compare(a.Key, b.Key) }),
		Quarantine: slices.SortedFunc(maps.Values(m.quarantined), func(a, b store.Quarantined) int { return cmp.Compare(a.Key, b.Key) }),
		Repaired:   slices.SortedFunc(maps.Values(m.repaired), func(a, b store.Repaired) int { return cmp.Compare(a.Key, b.Key) }),
		Lost:       slices.SortedFunc(maps.Values(m.lost), func(a, b store.Intent) int { return cmp.Compare(a.Key, b.Key) }),
	}
}

func (m *modelAccount) summary() store.Summary {
	s := store.Summary{Folders: uint64(len(m.folders)), Passes: uint64(len(m.passes))}
	for _, fo := range m.folders {
		s.Copied += uint64(len(fo.entries))
		s.Quarantined += uint64(len(fo.quarantined))
		for _, e := range fo.entries {
			s.Bytes += uint64(e.Size)
		}
	}
	return s
}

// testModel makes random sequences of calls and compares the store with the
// model after each sequence.
func testModel(t *testing.T, f *fixture) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(f.dir, "model")
		must(t, err)
		run := &modelRun{fixture: &fixture{t: t, open: f.open, dir: dir}, rt: rt}
		run.reopen()
		defer run.close()
		for range rapid.IntRange(1, 15).Draw(rt, "calls") {
			run.step()
		}
		if rapid.Bool().Draw(rt, "reopen") {
			run.reopen()
		}
		run.compare()
	})
}

type modelRun struct {
	*fixture
	rt    *rapid.T
	model model
}

func (r *modelRun) check(err error) {
	r.rt.Helper()
	if err != nil {
		r.rt.Fatal(err)
	}
}

func (r *modelRun) step() {
	if len(r.model.accounts) == 0 {
		r.putAccount()
		return
	}
	a := &r.model.accounts[rapid.IntRange(0, len(r.model.accounts)-1).Draw(r.rt, "account")]
	step := rapid.SampledFrom([]string{"account", "credentials", "problem", "state", "folder", "batch", "batch", "batch", "pass", "reopen"}).Draw(r.rt, "step")
	if step == "batch" && len(a.folders) == 0 {
		step = "folder"
	}
	switch step {
	case "account":
		r.putAccount()
	case "credentials":
		r.changeCredentials(a)
	case "problem":
		a.Problem = rapid.SampledFrom([]*store.Problem{nil, problem(), {Advice: store.RetryLater}}).Draw(r.rt, "problem")
		r.check(r.SetProblem(r.ctx(), a.ID, a.Problem))
	case "state":
		a.State = rapid.SampledFrom([]store.State{store.Active, store.Stopped, store.Finished}).Draw(r.rt, "state")
		r.check(r.SetState(r.ctx(), a.ID, a.State))
	case "folder":
		r.putFolder(a)
	case "batch":
		r.commitBatch(a)
	case "pass":
		p := store.Pass{Started: at(1), Copied: rapid.Uint64().Draw(r.rt, "copied")}
		a.passes = append(a.passes, p)
		r.check(r.AddPass(r.ctx(), a.ID, p))
	case "reopen":
		r.reopen()
	}
}

// putAccount adds an account or updates one.
func (r *modelRun) putAccount() {
	a := account(rapid.SampledFrom([]string{"a", "A", "b", "ä", "Ä"}).Draw(r.rt, "login"))
	a.Old.Password = store.Secret(rapid.String().Draw(r.rt, "password"))
	a.OldOpens = rapid.Bool().Draw(r.rt, "old opens")
	a.Created = at(int64(len(r.model.accounts)))
	stored, put, err := r.PutAccounts(r.ctx(), []store.Account{a})
	r.check(err)
	i := slices.IndexFunc(r.model.accounts, func(known modelAccount) bool {
		return known.Login == a.Login || strings.EqualFold(known.Login, a.Login) && a.Login[0] < 0x80
	})
	if put[0].Added != (i < 0) {
		r.rt.Fatalf("done: %+v", put[0])
	}
	a.ID = stored[0].ID
	if i < 0 {
		r.model.accounts = append(r.model.accounts, modelAccount{Account: a})
		return
	}
	known := &r.model.accounts[i].Account
	if known.State != store.Finished {
		known.Old, known.New, known.OldOpens = a.Old, a.New, a.OldOpens
	}
}

// changeCredentials gives an account other passwords, as administrators and people do.
func (r *modelRun) changeCredentials(a *modelAccount) {
	password := rapid.SampledFrom([]store.Secret{"x", "y"})
	given := store.CredentialChange{New: store.Credentials{Password: password.Draw(r.rt, "new password")}}
	switch rapid.SampledFrom([]string{"new", "old", "both", "learn"}).Draw(r.rt, "what") {
	case "learn":
		_, err := r.LearnPassword(r.ctx(), a.ID, a.New, given.New.Password)
		r.check(err)
		if a.State == store.Finished {
			return
		}
		a.OldOpens = a.OldOpens && a.New.Password == given.New.Password
		a.New.Password = given.New.Password
		return
	case "old":
		given.Old, given.New = given.New, given.Old
	case "both":
		given.Old = given.New
	}
	_, err := r.SetCredentials(r.ctx(), a.ID, given)
	r.check(err)
	if a.State == store.Finished {
		return
	}
	if given.Old.Password != "" {
		a.Old.Password = given.Old.Password
	}
	if given.New.Password != "" {
		a.New.Password = given.New.Password
	}
	a.OldOpens = given.Old.Password != "" && given.New.Password != ""
}

// putFolder adds a folder or changes one.
func (r *modelRun) putFolder(a *modelAccount) {
	i := rapid.IntRange(0, len(a.folders)).Draw(r.rt, "folder")
	if i == len(a.folders) {
		a.folders = append(a.folders, &modelFolder{
			entries:     make(map[store.Key]store.Entry),
			intents:     make(map[store.Key]store.Intent),
			quarantined: make(map[store.Key]store.Quarantined),
			repaired:    make(map[store.Key]store.Repaired),
			lost:        make(map[store.Key]store.Intent),
		})
	}
	m := a.folders[i]
	m.Old = rapid.String().Draw(r.rt, "name")
	m.State = rapid.SampledFrom([]store.FolderState{store.FolderPlanned, store.FolderPresent, store.FolderDeleted}).Draw(r.rt, "state")
	m.Subscribed = rapid.Bool().Draw(r.rt, "subscribed")
	stored, err := r.PutFolders(r.ctx(), a.ID, []store.Folder{m.Folder})
	r.check(err)
	m.ID = stored[0].ID
}

func (r *modelRun) commitBatch(a *modelAccount) {
	m := rapid.SampledFrom(a.folders).Draw(r.rt, "folder")
	b := store.Batch{
		Account: a.ID, Folder: m.ID,
		Forget: keys.Draw(r.rt, "forget"), Drop: keys.Draw(r.rt, "drop"), Release: keys.Draw(r.rt, "release"),
	}
	b.Found = keys.Draw(r.rt, "found")
	for _, k := range keys.Draw(r.rt, "lost") {
		b.Lost = append(b.Lost, intent(k))
	}
	for _, k := range keys.Draw(r.rt, "intents") {
		in := intent(k)
		in.UIDNext = imap.UID(rapid.Uint32().Draw(r.rt, "uidnext"))
		b.Intents = append(b.Intents, in)
	}
	for _, k := range keys.Draw(r.rt, "repaired") {
		re := repaired(k)
		re.What = reason.Said(rapid.String().Draw(r.rt, "what"))
		b.Repaired = append(b.Repaired, re)
	}
	for _, k := range keys.Draw(r.rt, "proofs") {
		b.Proofs = append(b.Proofs, r.drawEntry(k))
	}
	for _, k := range keys.Draw(r.rt, "quarantine") {
		q := quarantined(k)
		q.Cause = rapid.String().Draw(r.rt, "cause")
		q.Again = rapid.Bool().Draw(r.rt, "again")
		b.Quarantine = append(b.Quarantine, q)
	}
	if rapid.Bool().Draw(r.rt, "with checkpoint") {
		b.Checkpoint = &store.Checkpoint{UIDNext: imap.UID(rapid.Uint32().Draw(r.rt, "checkpoint")), Checked: at(1)}
	}
	if rapid.Bool().Draw(r.rt, "with order") {
		b.Order = &store.Order{State: rapid.SampledFrom([]store.OrderState{store.OrderArrival, store.OrderNewest, store.OrderKept}).Draw(r.rt, "order")}
	}
	r.check(r.Commit(r.ctx(), b))
	m.apply(b)
}

// keys are few, so that they meet again.
var keys = rapid.SliceOfN(rapid.Map(rapid.StringMatching(`[ab]{1,3}`), func(s string) store.Key { return store.Key(s) }), 0, 4)

func (r *modelRun) drawEntry(key store.Key) store.Entry {
	e := entry(key)
	e.UIDValidity = rapid.SampledFrom([]uint32{0, 1, 5, 1 << 31}).Draw(r.rt, "uidvalidity")
	e.UID = imap.UID(rapid.Uint32().Draw(r.rt, "uid"))
	e.Size = rapid.Uint32().Draw(r.rt, "size")
	e.Flags = rapid.SampledFrom([][]imap.Flag{nil, {imap.FlagSeen}, {"a"}, {"a", "b"}, {"b", "a"}}).Draw(r.rt, "flags")
	return e
}

func (r *modelRun) compare() {
	for i := range r.model.accounts {
		m := &r.model.accounts[i]
		a, err := r.AccountByID(r.ctx(), m.ID)
		r.check(err)
		r.equal("account", a, m.Account)
		folders, err := r.Folders(r.ctx(), m.ID)
		r.check(err)
		if len(folders) != len(m.folders) {
			r.rt.Fatalf("account %d has %d folders, want %d", m.ID, len(folders), len(m.folders))
		}
		for j, fo := range folders {
			r.equal("folder", fo, m.folders[j].Folder)
			r.equal("ledger", r.ledger(m.ID, fo.ID), m.folders[j].ledger())
		}
		passes, err := r.Passes(r.ctx(), m.ID)
		r.check(err)
		r.equal("passes", passes, m.passes)
		summary, err := r.Summary(r.ctx(), m.ID)
		r.check(err)
		r.equal("summary", summary, m.summary())
	}
}

func (r *modelRun) equal(what string, got, want any) {
	r.rt.Helper()
	if !reflect.DeepEqual(got, want) {
		r.rt.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
