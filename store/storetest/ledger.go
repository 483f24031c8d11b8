package storetest

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

func testLedgerIsSorted(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	wantEqual(t, "empty ledger", f.ledger(id, folder), store.Ledger{})
	keys := []store.Key{"\x00", "a", "a\x00", "ab", "b", "\xff\xff"}
	var b, want store.Batch
	for _, i := range []int{3, 0, 5, 1, 4, 2} {
		b.Proofs = append(b.Proofs, entry("e"+keys[i]))
		b.Intents = append(b.Intents, intent("i"+keys[i]))
		b.Quarantine = append(b.Quarantine, quarantined("q"+keys[i]))
	}
	for _, k := range keys {
		want.Proofs = append(want.Proofs, entry("e"+k))
		want.Intents = append(want.Intents, intent("i"+k))
		want.Quarantine = append(want.Quarantine, quarantined("q"+k))
	}
	b.Account, b.Folder = id, folder
	f.commit(b)
	wantEqual(t, "ledger", f.ledger(id, folder), store.Ledger{Entries: want.Proofs, Intents: want.Intents, Quarantine: want.Quarantine})
}

func testLedgerUnknown(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	_, err := f.Ledger(t.Context(), id, folder+1)
	wantError(t, "unknown folder", err, store.ErrNotFound)
	_, err = f.Ledger(t.Context(), id+1, folder)
	wantError(t, "unknown account", err, store.ErrNotFound)
}

func testLedgersAreSeparate(t *testing.T, f *fixture) {
	a, first := f.folder("a@example.com")
	b, _ := f.folder("b@example.com")
	folders, err := f.PutFolders(t.Context(), a, []store.Folder{{State: store.FolderPlanned}})
	must(t, err)
	second := folders[0].ID
	f.commit(store.Batch{Account: a, Folder: first, Proofs: []store.Entry{entry("k")}})
	f.commit(store.Batch{Account: a, Folder: second, Intents: []store.Intent{intent("k")}})
	f.commit(store.Batch{Account: b, Folder: first, Quarantine: []store.Quarantined{quarantined("k")}})
	f.commit(store.Batch{Account: b, Folder: first, Forget: []store.Key{"k"}, Drop: []store.Key{"k"}})
	f.commit(store.Batch{Account: a, Folder: second, Release: []store.Key{"k"}, Forget: []store.Key{"k"}})
	wantEqual(t, "first", f.ledger(a, first), store.Ledger{Entries: []store.Entry{entry("k")}})
	wantEqual(t, "second", f.ledger(a, second), store.Ledger{Intents: []store.Intent{intent("k")}})
	wantEqual(t, "other account", f.ledger(b, first), store.Ledger{Quarantine: []store.Quarantined{quarantined("k")}})
	f.wantCounts(a, first, 1, 0)
	f.wantCounts(a, second, 0, 0)
	f.wantCounts(b, first, 0, 1)
}

func testCommitProof(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	f.commit(store.Batch{Account: id, Folder: folder, Intents: []store.Intent{intent("1"), intent("2"), intent("3")}})
	f.commit(store.Batch{Account: id, Folder: folder, Quarantine: []store.Quarantined{quarantined("4")}})
	f.wantCounts(id, folder, 0, 1)
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry("1"), entry("2"), entry("4")}})
	wantEqual(t, "ledger", f.ledger(id, folder), store.Ledger{
		Entries: []store.Entry{entry("1"), entry("2"), entry("4")},
		Intents: []store.Intent{intent("3")},
	})
	f.wantCounts(id, folder, 3, 0)
}

// testCommitMoved: entries of other folders go with what was noted of them, all or nothing.
func testCommitMoved(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	folders, err := f.PutFolders(t.Context(), id, []store.Folder{{State: store.FolderPresent}})
	must(t, err)
	from := folders[0].ID
	f.commit(store.Batch{Account: id, Folder: from, Proofs: []store.Entry{entry("1"), entry("2")}, Repaired: []store.Repaired{repaired("1")}})
	f.commit(store.Batch{Account: id, Folder: from, Intents: []store.Intent{intent("1")}})
	moved := []store.Moved{{Elsewhere: store.Elsewhere{Folder: from, Key: "1"}, To: "1"}, {Elsewhere: store.Elsewhere{Folder: from, Key: "absent"}, To: "2"}}
	wantError(t, "to an unknown folder", f.Commit(t.Context(), store.Batch{Account: id, Folder: from + 1, Moved: moved}), store.ErrNotFound)
	wantError(t, "without a key", f.Commit(t.Context(), store.Batch{Account: id, Folder: folder, Moved: []store.Moved{{Elsewhere: store.Elsewhere{Folder: from}, To: "1"}}}), store.ErrInvalid)
	wantError(t, "to no key", f.Commit(t.Context(), store.Batch{Account: id, Folder: folder, Moved: []store.Moved{{Elsewhere: moved[0].Elsewhere}}}), store.ErrInvalid)
	f.wantCounts(id, from, 2, 0)
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry("1")}, Moved: moved})
	wantEqual(t, "from", f.ledger(id, from), store.Ledger{Entries: []store.Entry{entry("2")}})
	wantEqual(t, "to", f.ledger(id, folder), store.Ledger{Entries: []store.Entry{entry("1")}})
	f.wantCounts(id, from, 1, 0)
	f.wantCounts(id, folder, 1, 0)
}

// testCommitAway: where the copy of a moved message is stays known, however often it is moved, until its line goes or has a UID again.
func testCommitAway(t *testing.T, f *fixture) {
	id, first := f.folder("a@example.com")
	folders, err := f.PutFolders(t.Context(), id, []store.Folder{{State: store.FolderPresent}, {State: store.FolderPresent}})
	must(t, err)
	second, third := folders[0].ID, folders[1].ID
	other, otherFolder := f.folder("b@example.com")
	there, placeless := entry("1"), func(k store.Key) store.Entry { e := entry(k); e.UID = 0; return e }
	move := func(from store.FolderID, key store.Key, to store.FolderID, now store.Key) {
		f.commit(store.Batch{Account: id, Folder: to, Proofs: []store.Entry{placeless(now)},
			Moved: []store.Moved{{Elsewhere: store.Elsewhere{Folder: from, Key: key}, To: now}}})
	}
	want := func(what string, away ...store.Away) {
		t.Helper()
		f.reopen()
		for _, folder := range []store.FolderID{first, second, third} {
			l := f.ledger(id, folder)
			if folder == first {
				wantEqual(t, what, l.Away, away)
			} else {
				wantEqual(t, what+", elsewhere", len(l.Away), 0)
			}
		}
		wantEqual(t, what+", another account", len(f.ledger(other, otherFolder).Away), 0)
	}
	at := func(folder store.FolderID, key store.Key) store.Away {
		return store.Away{Line: store.Elsewhere{Folder: folder, Key: key}, UIDValidity: there.UIDValidity, UID: there.UID, Fingerprint: there.Fingerprint, Size: there.Size}
	}
	f.commit(store.Batch{Account: other, Folder: otherFolder, Proofs: []store.Entry{entry("1")}})
	f.commit(store.Batch{Account: id, Folder: first, Proofs: []store.Entry{entry("1"), entry("2"), placeless("3")}})
	want("not moved")
	move(first, "3", second, "x")
	want("moved without a UID")
	move(first, "1", second, "11")
	want("moved", at(second, "11"))
	move(second, "11", second, "12")
	want("another key", at(second, "12"))
	move(second, "12", third, "21")
	want("moved on", at(third, "21"))
	f.commit(store.Batch{Account: id, Folder: third, Proofs: []store.Entry{placeless("21")}, Drop: []store.Key{"21"}})
	want("flags", at(third, "21"))

	now := at(third, "21")
	now.UID, now.UIDValidity = 77, 78
	f.commit(store.Batch{Account: id, Folder: second, Away: []store.Away{now}})
	want("placed in another folder", at(third, "21"))
	f.commit(store.Batch{Account: id, Folder: first, Away: []store.Away{now, {Line: store.Elsewhere{Folder: third, Key: "absent"}, UID: 1}}})
	want("placed", now)
	gone := now
	gone.UID = 0
	f.commit(store.Batch{Account: id, Folder: first, Away: []store.Away{gone}})
	want("gone")

	move(first, "2", third, "22")
	f.commit(store.Batch{Account: id, Folder: third, Forget: []store.Key{"22", "21"}})
	want("forgotten")
	f.commit(store.Batch{Account: id, Folder: first, Proofs: []store.Entry{entry("4")}})
	move(first, "4", third, "24")
	f.commit(store.Batch{Account: id, Folder: third, Proofs: []store.Entry{entry("24")}})
	want("found in its folder")
}

func testCommitReplaces(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry("1")},
		Quarantine: []store.Quarantined{quarantined("2")}, Intents: []store.Intent{intent("3")}})
	e := store.Entry{Key: "1", Flags: []imap.Flag{"other"}, UIDValidity: 5}
	q := store.Quarantined{Key: "2", Attempts: math.MaxUint32}
	in := store.Intent{Key: "3"}
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry("1"), e},
		Quarantine: []store.Quarantined{quarantined("2"), q}, Intents: []store.Intent{intent("3"), in}})
	wantEqual(t, "ledger", f.ledger(id, folder),
		store.Ledger{Entries: []store.Entry{e}, Intents: []store.Intent{in}, Quarantine: []store.Quarantined{q}})
	f.wantCounts(id, folder, 1, 1)
}

func testCommitRemoves(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry("1"), entry("2")},
		Quarantine: []store.Quarantined{quarantined("3"), quarantined("4")}, Intents: []store.Intent{intent("5"), intent("6")}})
	f.commit(store.Batch{Account: id, Folder: folder,
		Forget:  []store.Key{"1", "1", "3", "5", "absent"},
		Release: []store.Key{"3", "3", "1", "5", "absent"},
		Drop:    []store.Key{"5", "5", "1", "3", "absent"},
	})
	wantEqual(t, "ledger", f.ledger(id, folder), store.Ledger{
		Entries: []store.Entry{entry("2")}, Intents: []store.Intent{intent("6")}, Quarantine: []store.Quarantined{quarantined("4")}})
	f.wantCounts(id, folder, 1, 1)
}

// testCommitOrder: Forget, Drop, Release, Intents, Repaired, Proofs, Quarantine.
func testCommitOrder(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	f.commit(store.Batch{Account: id, Folder: folder,
		Forget:     []store.Key{"e", "i", "q", "iq"},
		Drop:       []store.Key{"e", "i", "q", "iq"},
		Release:    []store.Key{"e", "i", "q", "iq"},
		Intents:    []store.Intent{intent("e"), intent("i"), intent("iq")},
		Repaired:   []store.Repaired{repaired("e"), repaired("i"), repaired("iq")},
		Proofs:     []store.Entry{entry("e"), entry("q")},
		Quarantine: []store.Quarantined{quarantined("q"), quarantined("iq")},
	})
	wantEqual(t, "ledger", f.ledger(id, folder), store.Ledger{
		Entries:    []store.Entry{entry("e"), entry("q")},
		Intents:    []store.Intent{intent("i")},
		Quarantine: []store.Quarantined{quarantined("iq"), quarantined("q")},
		Repaired:   []store.Repaired{repaired("e"), repaired("i")},
	})
	f.wantCounts(id, folder, 2, 2)
}

func testCommitQuarantine(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	f.commit(store.Batch{Account: id, Folder: folder, Intents: []store.Intent{intent("1")}})
	f.commit(store.Batch{Account: id, Folder: folder, Quarantine: []store.Quarantined{quarantined("1")}})
	wantEqual(t, "ledger", f.ledger(id, folder), store.Ledger{Quarantine: []store.Quarantined{quarantined("1")}})
	f.wantCounts(id, folder, 0, 1)
}

// testCommitRepaired: a repair is noted with the intent, and stays for as long
// as the intent or the entry it became.
func testCommitRepaired(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	keys := []store.Key{"drop", "forget", "keep", "quarantine", "replace"}
	b := store.Batch{Account: id, Folder: folder}
	for _, k := range keys {
		b.Intents = append(b.Intents, intent(k))
		b.Repaired = append(b.Repaired, repaired(k))
	}
	f.commit(b)
	wantEqual(t, "ledger", f.ledger(id, folder), store.Ledger{Intents: b.Intents, Repaired: b.Repaired})
	other := store.Repaired{Key: "replace"}
	f.commit(store.Batch{Account: id, Folder: folder, Repaired: []store.Repaired{other},
		Proofs: []store.Entry{entry("forget"), entry("keep"), entry("replace")}})
	f.commit(store.Batch{Account: id, Folder: folder, Drop: []store.Key{"drop"}, Forget: []store.Key{"forget"},
		Release: []store.Key{"keep"}, Quarantine: []store.Quarantined{quarantined("quarantine")},
		Proofs: []store.Entry{entry("keep")}})
	f.reopen()
	wantEqual(t, "ledger after all", f.ledger(id, folder), store.Ledger{
		Entries:    []store.Entry{entry("keep"), entry("replace")},
		Quarantine: []store.Quarantined{quarantined("quarantine")},
		Repaired:   []store.Repaired{repaired("keep"), other},
	})
}

func testCommitCheckpoint(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	steps := []struct {
		batch store.Batch
		want  store.Checkpoint
	}{
		{store.Batch{Checkpoint: &store.Checkpoint{UIDValidity: math.MaxUint32, UIDNext: math.MaxUint32,
			HighestModSeq: math.MaxUint64, Messages: math.MaxUint32, Checked: at(7)}},
			store.Checkpoint{UIDValidity: math.MaxUint32, UIDNext: math.MaxUint32,
				HighestModSeq: math.MaxUint64, Messages: math.MaxUint32, Checked: at(7)}},
		{store.Batch{}, store.Checkpoint{UIDValidity: math.MaxUint32, UIDNext: math.MaxUint32,
			HighestModSeq: math.MaxUint64, Messages: math.MaxUint32, Checked: at(7)}},
		{store.Batch{Checkpoint: &store.Checkpoint{UIDNext: 1}}, store.Checkpoint{UIDNext: 1}},
		{store.Batch{Checkpoint: &store.Checkpoint{}}, store.Checkpoint{}},
	}
	for i, s := range steps {
		s.batch.Account, s.batch.Folder = id, folder
		f.commit(s.batch)
		folders, err := f.Folders(t.Context(), id)
		must(t, err)
		wantEqual(t, fmt.Sprintf("checkpoint %d", i), folders[0].Checkpoint, s.want)
	}
}

func testCommitKeys(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	for _, k := range []store.Key{"\x00", store.Key(strings.Repeat("\xff", 255)), "UIDL <with> \"everything\" \r\n"} {
		f.commit(store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry(k)}})
		wantEqual(t, "entries", f.ledger(id, folder).Entries, []store.Entry{entry(k)})
		f.commit(store.Batch{Account: id, Folder: folder, Forget: []store.Key{k}})
	}
}

func testCommitInvalid(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	for _, k := range []store.Key{"", store.Key(strings.Repeat("x", 256))} {
		for what, b := range map[string]store.Batch{
			"Intents":    {Intents: []store.Intent{intent("ok"), intent(k)}},
			"Proofs":     {Proofs: []store.Entry{entry("ok"), entry(k)}},
			"Repaired":   {Repaired: []store.Repaired{repaired("ok"), repaired(k)}},
			"Lost":       {Lost: []store.Intent{intent("ok"), intent(k)}},
			"Found":      {Found: []store.Key{"ok", k}},
			"Drop":       {Drop: []store.Key{"ok", k}},
			"Quarantine": {Quarantine: []store.Quarantined{quarantined("ok"), quarantined(k)}},
			"Release":    {Release: []store.Key{"ok", k}},
			"Forget":     {Forget: []store.Key{"ok", k}},
		} {
			b.Account, b.Folder = id, folder
			wantError(t, fmt.Sprintf("%s with a key of %d octets", what, len(k)), f.Commit(t.Context(), b), store.ErrInvalid)
		}
	}
	wantEqual(t, "ledger", f.ledger(id, folder), store.Ledger{})
}

func testCommitUnknown(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	for _, b := range []store.Batch{{Account: id + 1, Folder: folder}, {Account: id, Folder: folder + 1}, {Account: id}, {}} {
		b.Proofs = []store.Entry{entry("1")}
		wantError(t, fmt.Sprintf("account %d, folder %d", b.Account, b.Folder), f.Commit(t.Context(), b), store.ErrNotFound)
	}
}

func testCommitFlags(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	sets := [][]imap.Flag{
		nil, {imap.FlagSeen}, {"\\seen"}, {"a b"}, {"a", "b"}, {"", "\xff\x00"}, {imap.Flag(strings.Repeat("k", 100_000))}, {imap.FlagSeen},
	}
	for i := range 300 {
		sets = append(sets, []imap.Flag{imap.Flag(fmt.Sprintf("keyword%d", i))})
	}
	b := store.Batch{Account: id, Folder: folder}
	for i, set := range sets {
		e := entry(store.Key(fmt.Sprintf("%04d", i)))
		e.Flags = set
		b.Proofs = append(b.Proofs, e)
	}
	f.commit(b)
	wantEqual(t, "entries", f.ledger(id, folder).Entries, b.Proofs)
	b.Proofs[0].Flags, b.Proofs[1].Flags = b.Proofs[7].Flags, []imap.Flag{}
	f.commit(store.Batch{Account: id, Folder: folder, Proofs: b.Proofs[:2]})
	b.Proofs[1].Flags = nil
	wantEqual(t, "changed entries", f.ledger(id, folder).Entries, b.Proofs)
}

// testCommitTogether commits from many goroutines, some of them batches that
// must fail without harm to the others.
func testCommitTogether(t *testing.T, f *fixture) {
	const accounts, batches = 20, 10
	var wg sync.WaitGroup
	ids := make([]store.AccountID, accounts)
	for i := range ids {
		ids[i], _ = f.folder(fmt.Sprintf("user%d@example.com", i))
	}
	for _, id := range ids {
		wg.Go(func() {
			for n := range batches {
				e := entry(store.Key(fmt.Sprintf("%d-%02d", id, n)))
				if err := f.Commit(t.Context(), store.Batch{Account: id, Folder: 1, Proofs: []store.Entry{e}}); err != nil {
					t.Errorf("account %d: %v", id, err)
				}
			}
		})
		wg.Go(func() {
			err := f.Commit(t.Context(), store.Batch{Account: id, Folder: 77, Proofs: []store.Entry{entry("x")}})
			wantError(t, "unknown folder", err, store.ErrNotFound)
		})
		wg.Go(func() {
			if _, err := f.Ledger(t.Context(), id, 1); err != nil {
				t.Errorf("account %d: %v", id, err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		l := f.ledger(id, 1)
		wantEqual(t, "entries", len(l.Entries), batches)
		f.wantCounts(id, 1, batches, 0)
		for n, e := range l.Entries {
			wantEqual(t, "entry", e, entry(store.Key(fmt.Sprintf("%d-%02d", id, n))))
		}
	}
}

func testCommitFolderOrder(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	newest := store.Order{State: store.OrderNewest}
	moving := store.Order{State: store.OrderNewest, Moving: "1:50,60", UIDValidity: math.MaxUint32, UIDNext: math.MaxUint32, Written: at(7)}
	steps := []struct {
		batch store.Batch
		want  store.Order
	}{
		{store.Batch{}, store.Order{}},
		{store.Batch{Order: &newest}, newest},
		{store.Batch{Checkpoint: &store.Checkpoint{UIDNext: 1}}, newest},
		{store.Batch{Order: &moving}, moving},
		{store.Batch{Order: &store.Order{State: store.OrderKept}}, store.Order{State: store.OrderKept}},
		{store.Batch{Order: &store.Order{}}, store.Order{}},
	}
	for i, s := range steps {
		s.batch.Account, s.batch.Folder = id, folder
		f.commit(s.batch)
		folders, err := f.Folders(t.Context(), id)
		must(t, err)
		wantEqual(t, fmt.Sprintf("order %d", i), folders[0].Order, s.want)
	}
	for _, o := range []store.Order{{State: "odd"}, {Moving: "1"}, {UIDNext: 1}} {
		err := f.Commit(t.Context(), store.Batch{Account: id, Folder: folder, Order: &o})
		wantError(t, "an order that is malformed", err, store.ErrInvalid)
	}
}

// testCommitAll: batches of several folders are applied together, or none of them.
func testCommitAll(t *testing.T, f *fixture) {
	id := f.put(account("a@example.com"))[0].ID
	folders, err := f.PutFolders(t.Context(), id, []store.Folder{{Old: "A", New: "A", State: store.FolderPresent}, {Old: "B", New: "B", State: store.FolderPresent}})
	must(t, err)
	one, other := folders[0].ID, folders[1].ID
	must(t, f.Commit(t.Context(), store.Batch{Account: id, Folder: one, Intents: []store.Intent{{Key: "1"}}}))
	must(t, f.CommitAll(t.Context(), nil))
	must(t, f.CommitAll(t.Context(), []store.Batch{
		{Account: id, Folder: one, Proofs: []store.Entry{entry("1")}, Checkpoint: &store.Checkpoint{UIDValidity: 7}},
		{Account: id, Folder: other, Intents: []store.Intent{{Key: "2"}}},
		{Account: id, Folder: other, Proofs: []store.Entry{entry("2")}},
	}))
	for i, want := range []store.FolderID{one, other} {
		l, err := f.Ledger(t.Context(), id, want)
		must(t, err)
		wantEqual(t, "entries", len(l.Entries), 1)
		wantEqual(t, "intents", len(l.Intents), 0)
		rows, err := f.Folders(t.Context(), id)
		must(t, err)
		wantEqual(t, "copied", rows[i].Copied, uint64(1))
	}
	bad := []store.Batch{{Account: id, Folder: one, Proofs: []store.Entry{entry("3")}}, {Account: id, Folder: other, Proofs: []store.Entry{{}}}}
	wantError(t, "a key that can be none", f.CommitAll(t.Context(), bad), store.ErrInvalid)
	l, err := f.Ledger(t.Context(), id, one)
	must(t, err)
	wantEqual(t, "entries after none was applied", len(l.Entries), 1)
}
