package rows

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/crypto/chacha20poly1305"
	"pgregory.net/rapid"

	"postferry/report/reason"
	"postferry/store"
	"postferry/store/seal"
)

// rowKind is one kind of row with its two functions, for tests of all of them.
type rowKind struct {
	name string
	draw func(*rapid.T) any
	// again decodes a row and encodes what it found.
	again  func(row []byte) (value any, encoded []byte, err error)
	encode func(any) []byte
	// added is how many octets of a row an earlier schema didn't have: without
	// exactly those the row is one of that schema and can be read.
	added func(any) int
	// since are how many of those earlier versions of this schema didn't have.
	since []func(any) int
}

func (k rowKind) withAdded(added func(any) int) rowKind {
	k.added = added
	return k
}

func (k rowKind) withSince(since ...func(any) int) rowKind {
	k.since = since
	return k
}

func addedToDomain(v any) int {
	var e encoder
	e.text(string(v.(store.Domain).OldSetBy))
	return len(e) + addedSince(v)
}

// addedSince is whether old encryption is accepted, and what came later.
func addedSince(v any) int { return 1 + addedRules(v) }

// addedRules is how many octets a domain's rules take, and what came later.
func addedRules(v any) int {
	var e encoder
	d := v.(store.Domain)
	encodeRules(&e, &d.Rules, addedAuthorities(v) > 0)
	return len(e) + addedAuthorities(v)
}

// addedWayBack is whether there is a way back, and what came later; 0 of a domain without rules.
func addedWayBack(v any) int {
	d := v.(store.Domain)
	if d.Rules.None() && addedAuthorities(v) == 0 {
		return 0
	}
	return 1 + addedAuthorities(v)
}

// addedAuthorities is how many octets a domain's authorities take, and what came later.
func addedAuthorities(v any) int {
	var e encoder
	if d := v.(store.Domain); d.OldCA != "" || d.NewCA != "" || len(d.Recipients)+len(d.Webhooks) > 0 {
		e.text(d.OldCA)
		e.text(d.NewCA)
	}
	return len(e) + addedRecipients(v)
}

// addedRecipients is how many octets those take who are told about a domain.
func addedRecipients(v any) int {
	var e encoder
	d := v.(store.Domain)
	for _, r := range d.Recipients {
		e.text(r.To)
		e.text(r.Language)
	}
	if len(d.Recipients)+len(d.Webhooks) > 0 {
		e.uint(uint64(len(d.Recipients)))
	}
	return len(e) + sealedWebhooks(d)
}

// addedWebhooks is how many octets a domain's webhooks take; without recipients before them all that has to do with both.
func addedWebhooks(v any) int {
	d := v.(store.Domain)
	if len(d.Recipients) == 0 {
		return addedRecipients(v)
	}
	return sealedWebhooks(d)
}

func sealedWebhooks(d store.Domain) int {
	if len(d.Webhooks) == 0 {
		return 0
	}
	var e encoder
	e.text(string(make([]byte, len(encodeWebhooks(d.Webhooks))+chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead)))
	return len(e)
}

func addedToAccount(v any) int {
	var e encoder
	a := v.(store.Account)
	encodeAccountMarks(&e, &a)
	return len(e)
}

func addedToIntent(v any) int {
	var e encoder
	in := v.(store.Intent)
	encodePlace(&e, &in)
	return len(e)
}

func addedToSummary(v any) int {
	e := make(encoder, 0, 10)
	e.uint(v.(store.Summary).LeftOut)
	return len(e) + endingOf(v)
}

// endingOf is what is said of the end of an account's move.
func endingOf(v any) int {
	var e encoder
	s := v.(store.Summary)
	encodeEnding(&e, &s)
	return len(e)
}

func addedToProgress(v any) int {
	var e encoder
	p := v.(Progress)
	encodeNewSide(&e, &p.Checkpoint)
	return len(e) + addedOrder(v)
}

// addedOrder is what rows had not that were written before folders had an order.
func addedOrder(v any) int {
	var e encoder
	p := v.(Progress)
	encodeOrder(&e, &p.Order)
	return len(e)
}

func testSealer(tb testing.TB) *seal.Sealer {
	tb.Helper()
	s, err := seal.New(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func rowKinds(s *seal.Sealer) []rowKind {
	return []rowKind{
		kind("account", drawAccount,
			func(a store.Account) []byte { return EncodeAccount(&a, s) },
			func(row []byte) (store.Account, error) { return DecodeAccount(7, row, s) }).withAdded(addedToAccount),
		kind("folder", drawFolder,
			func(f store.Folder) []byte { return EncodeFolder(&f) },
			func(row []byte) (store.Folder, error) { return DecodeFolder(7, row) }),
		kind("progress", drawProgress,
			func(p Progress) []byte { return EncodeProgress(&p) }, DecodeProgress).withAdded(addedToProgress).withSince(addedOrder),
		kind("entry", drawEntry,
			func(en Entry) []byte { return encodeOldEntry(&en) }, DecodeEntry),
		kind("intent", drawIntent,
			func(in store.Intent) []byte { return EncodeIntent(&in) },
			func(row []byte) (store.Intent, error) { return DecodeIntent("key", row) }).withAdded(addedToIntent),
		kind("quarantined", drawQuarantined,
			func(q store.Quarantined) []byte { return EncodeQuarantined(&q) },
			func(row []byte) (store.Quarantined, error) { return DecodeQuarantined("key", row) }),
		kind("repaired", drawRepaired,
			func(r store.Repaired) []byte { return EncodeRepaired(&r) },
			func(row []byte) (store.Repaired, error) { return DecodeRepaired("key", row) }),
		kind("away", drawAway,
			func(a Away) []byte { return EncodeAway(&a) },
			func(row []byte) (Away, error) { return DecodeAway(store.Elsewhere{Folder: 3, Key: "key"}, row) }),
		kind("pass", drawPass,
			func(p store.Pass) []byte { return EncodePass(&p) }, DecodePass),
		kind("domain", drawDomain,
			func(d store.Domain) []byte { return EncodeDomain(&d, s) },
			func(row []byte) (store.Domain, error) { return DecodeDomain("example.com", row, s) }).withAdded(addedToDomain).withSince(addedSince, addedRules, addedWayBack, addedAuthorities, addedRecipients, addedWebhooks),
		kind("move", drawMove,
			func(m store.Move) []byte { return EncodeMove(&m) },
			func(row []byte) (store.Move, error) { return DecodeMove("example.com", row) }),
		kind("report", drawReport,
			func(r store.Report) []byte { return EncodeReport(&r) },
			func(row []byte) (store.Report, error) { return DecodeReport(7, row) }),
		kind("schedule", drawSchedule,
			func(s store.Schedule) []byte { return EncodeSchedule(&s) },
			func(row []byte) (store.Schedule, error) { return DecodeSchedule("example.com", row) }),
		kind("run", drawRun,
			func(r store.Run) []byte { return EncodeRun(&r) },
			func(row []byte) (store.Run, error) { return DecodeRun(7, row) }),
		kind("run's account", drawRunAccount,
			func(a store.RunAccount) []byte { return EncodeRunAccount(&a) },
			func(row []byte) (store.RunAccount, error) { return DecodeRunAccount(7, row) }),
		kind("summary", drawSummary,
			func(s store.Summary) []byte { return EncodeSummary(&s) }, DecodeSummary).withAdded(addedToSummary).withSince(endingOf),
		kind("number", rapid.Uint64().Draw, EncodeNumber, DecodeNumber),
		kind("flags", drawFlags, EncodeFlags, DecodeFlagSet),
	}
}

func kind[T any](name string, draw func(*rapid.T, string) T, encode func(T) []byte, decode func([]byte) (T, error)) rowKind {
	return rowKind{
		name:   name,
		added:  func(any) int { return 0 },
		draw:   func(t *rapid.T) any { return draw(t, name) },
		encode: func(v any) []byte { return encode(v.(T)) },
		again: func(row []byte) (any, []byte, error) {
			v, err := decode(row)
			if err != nil {
				return nil, nil, err
			}
			return v, encode(v), nil
		},
	}
}

// anyText has also what is not UTF-8.
func anyText(t *rapid.T, label string) string {
	return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, label))
}

func anyTime(t *rapid.T, label string) time.Time {
	sec := rapid.OneOf(rapid.Just(int64(-62135596800)), rapid.Int64Range(-1<<40, 1<<40)).Draw(t, label)
	return time.Unix(sec, rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
}

func drawAccount(t *rapid.T, _ string) store.Account {
	a := store.Account{
		ID: 7, Domain: anyText(t, "domain"), Login: anyText(t, "login"),
		Old:    store.Credentials{Login: anyText(t, "old login"), Password: store.Secret(anyText(t, "old password"))},
		New:    store.Credentials{Login: anyText(t, "new login"), Password: store.Secret(anyText(t, "new password"))},
		Origin: store.Enrolled, State: store.Finished, Created: anyTime(t, "created"),
		OldOpens: rapid.Bool().Draw(t, "old opens"), Alias: store.AccountID(rapid.Uint64().Draw(t, "alias")),
		AliasProved: rapid.Bool().Draw(t, "proved"),
		Apart:       rapid.Bool().Draw(t, "apart"), Probe: rapid.SampledFrom([]store.Probe{store.NoProbe, store.ProbeSubscribed, store.ProbeUnsubscribed}).Draw(t, "probe"),
	}
	if rapid.Bool().Draw(t, "with problem") {
		a.Problem = &store.Problem{Summary: reason.Said(anyText(t, "summary")), Cause: anyText(t, "cause"), Advice: store.NeedsFix,
			Folder: anyText(t, "folder"), Since: anyTime(t, "since"), Retry: anyTime(t, "retry"),
			Kind: store.ProblemKind(anyText(t, "kind")), Server: store.Side(anyText(t, "server")), Host: anyText(t, "host")}
	}
	return a
}

// noneIfEmpty is how texts of octets are read.
func noneIfEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func drawDomain(t *rapid.T, _ string) store.Domain {
	fingerprint := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 32), noneIfEmpty)
	return store.Domain{Name: "example.com", Old: anyText(t, "old"), New: anyText(t, "new"),
		OldFingerprint: fingerprint.Draw(t, "old fingerprint"), NewFingerprint: fingerprint.Draw(t, "new fingerprint"),
		Enrol: rapid.Bool().Draw(t, "enrol"), Created: anyTime(t, "created"), OldSetBy: store.Setter(anyText(t, "set by")), OldTLS10: rapid.Bool().Draw(t, "old TLS"), Rules: drawRules(t),
		OldCA: anyText(t, "old CA"), NewCA: anyText(t, "new CA"), Recipients: drawRecipients(t), Webhooks: drawWebhooks(t)}
}

func drawWebhooks(t *rapid.T) (all []store.Webhook) {
	for range rapid.IntRange(0, 2).Draw(t, "webhooks") {
		all = append(all, store.Webhook{ID: anyText(t, "id"), URL: store.Secret(anyText(t, "url")), Key: store.Secret(anyText(t, "key")), Language: anyText(t, "language")})
	}
	return all
}

func drawRecipients(t *rapid.T) (all []store.Recipient) {
	for range rapid.IntRange(0, 3).Draw(t, "recipients") {
		all = append(all, store.Recipient{To: anyText(t, "to"), Language: anyText(t, "language")})
	}
	return all
}

func drawRules(t *rapid.T) (r store.DomainRules) {
	text, n := rapid.StringN(0, 20, 40), rapid.Uint64()
	if r.Skip = rapid.SliceOfN(text, 0, 3).Draw(t, "skip"); len(r.Skip) == 0 {
		r.Skip = nil
	}
	if r.Rename = rapid.MapOfN(text, text, 0, 3).Draw(t, "rename"); len(r.Rename) == 0 {
		r.Rename = nil
	}
	r.WayBack, r.CopyViews, r.CopyShared = rapid.Bool().Draw(t, "way back"), rapid.Bool().Draw(t, "views"), rapid.Bool().Draw(t, "shared")
	r.MessagesPerSecond, r.BytesPerSecond = n.Draw(t, "messages"), n.Draw(t, "bytes")
	for _, to := range []**uint64{&r.Connections, &r.OldBytesPerDay, &r.NewBytesPerDay} {
		*to = rapid.Ptr(n, true).Draw(t, "limit")
	}
	return r
}

func drawSchedule(t *rapid.T, _ string) store.Schedule {
	return store.Schedule{Domain: "example.com", Every: time.Duration(rapid.Int64().Draw(t, "every")),
		From: anyTime(t, "from"), Until: anyTime(t, "until")}
}

func drawFigures(t *rapid.T) store.Figures {
	n := rapid.Uint64()
	return store.Figures{Copied: n.Draw(t, "copied"), Adopted: n.Draw(t, "adopted"), FlagChanges: n.Draw(t, "flags"), Bytes: n.Draw(t, "bytes"), Quarantined: n.Draw(t, "quarantined")}
}

func drawRun(t *rapid.T, _ string) store.Run {
	n := rapid.Uint64()
	return store.Run{ID: 7, Domain: anyText(t, "domain"), Kind: store.AgainRun, By: anyText(t, "by"), Started: anyTime(t, "started"),
		Ended: anyTime(t, "ended"), State: store.RunDone, Accounts: n.Draw(t, "accounts"), Complete: n.Draw(t, "complete"),
		Failed: n.Draw(t, "failed"), Stopped: n.Draw(t, "stopped"), Figures: drawFigures(t)}
}

func drawRunAccount(t *rapid.T, label string) store.RunAccount {
	return store.RunAccount{Account: 7, Outcome: store.OutcomeFailed, Ended: anyTime(t, "ended"), Passes: rapid.Uint64().Draw(t, "passes"),
		Figures: drawFigures(t), Problem: drawAccount(t, label).Problem}
}

func drawSummary(t *rapid.T, _ string) store.Summary {
	n := rapid.Uint64()
	return store.Summary{Inbox: rapid.Bool().Draw(t, "inbox"), Messages: n.Draw(t, "messages"), Folders: n.Draw(t, "folders"), Copied: n.Draw(t, "copied"), Quarantined: n.Draw(t, "quarantined"), Bytes: n.Draw(t, "bytes"),
		Passes: n.Draw(t, "passes"), LastPass: anyTime(t, "last"), Complete: rapid.Bool().Draw(t, "complete"), Completed: anyTime(t, "completed"), LeftOut: n.Draw(t, "left out"),
		Late:     store.LateMail{Messages: n.Draw(t, "late"), Last: anyTime(t, "last late"), From: [3]store.LateServer{{Name: anyText(t, "from"), Messages: n.Draw(t, "brought")}}},
		Verified: store.Verified{When: anyTime(t, "verified"), Bodies: rapid.Bool().Draw(t, "bodies"), Damage: n.Draw(t, "damage"), Doubtful: n.Draw(t, "doubtful"), Unread: rapid.Bool().Draw(t, "unread")},
		Approved: store.Approval{When: anyTime(t, "approved"), By: anyText(t, "by"), What: anyText(t, "what")}}
}

func drawMove(t *rapid.T, _ string) store.Move {
	return store.Move{Domain: "example.com", Checked: store.Checked{When: anyTime(t, "checked"), Accounts: rapid.Uint64().Draw(t, "accounts"), Trouble: rapid.Uint64().Draw(t, "trouble")},
		Names: store.NamesSeen{When: anyTime(t, "seen"), MX: anyTime(t, "mx"), Clients: anyTime(t, "clients"), Until: anyTime(t, "until")}}
}

func drawReport(t *rapid.T, _ string) store.Report {
	return store.Report{Number: 7, Domain: anyText(t, "domain"), Made: anyTime(t, "made"), By: anyText(t, "by"), Text: []byte("x" + anyText(t, "text"))}
}

func drawFolder(t *rapid.T, _ string) store.Folder {
	return store.Folder{ID: 7, Old: anyText(t, "old"), New: anyText(t, "new"), Title: anyText(t, "title"), Note: reason.Said(anyText(t, "note")), Renaming: anyText(t, "renaming"),
		State: store.FolderSkipped, Subscribed: rapid.Bool().Draw(t, "subscribed"), NewUIDValidity: rapid.Uint32().Draw(t, "uidvalidity"),
		Missing: store.Missing{Since: anyTime(t, "since"), Looks: rapid.Uint32().Draw(t, "looks"), Last: anyTime(t, "last look"), PutBack: rapid.Bool().Draw(t, "put back")}, LeftOut: rapid.Uint64().Draw(t, "left out"), AllMail: rapid.Bool().Draw(t, "all mail")}
}

func drawProgress(t *rapid.T, _ string) Progress {
	return Progress{
		Validity: rapid.Uint32().Draw(t, "validity"),
		Checkpoint: store.Checkpoint{UIDValidity: rapid.Uint32().Draw(t, "uidvalidity"), UIDNext: imap.UID(rapid.Uint32().Draw(t, "uidnext")),
			HighestModSeq: rapid.Uint64().Draw(t, "modseq"), Messages: rapid.Uint32().Draw(t, "messages"), Checked: anyTime(t, "checked"),
			NewUIDValidity: rapid.Uint32().Draw(t, "new uidvalidity"), NewUIDNext: imap.UID(rapid.Uint32().Draw(t, "new uidnext")), NewHighestModSeq: rapid.Uint64().Draw(t, "new modseq")},
		Copied: rapid.Uint64().Draw(t, "copied"), Quarantined: rapid.Uint64().Draw(t, "quarantined"),
		Order: drawOrder(t),
	}
}

func drawOrder(t *rapid.T) store.Order {
	o := store.Order{State: rapid.SampledFrom([]store.OrderState{store.OrderArrival, store.OrderNewest, store.OrderKept}).Draw(t, "order")}
	if rapid.Bool().Draw(t, "moving") {
		o.Moving, o.UIDValidity, o.UIDNext = "1:50,60", rapid.Uint32().Draw(t, "moving's uidvalidity"), imap.UID(rapid.Uint32Min(1).Draw(t, "moving's uidnext"))
		o.Written = anyTime(t, "written")
	}
	return o
}

func drawFingerprint(t *rapid.T) store.Fingerprint {
	return store.Fingerprint(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "fingerprint"))
}

func drawEntry(t *rapid.T, _ string) Entry {
	return Entry{Validity: rapid.Uint32().Draw(t, "validity"), Flags: rapid.Uint32().Draw(t, "flags"), UID: imap.UID(rapid.Uint32().Draw(t, "uid")),
		Fingerprint: drawFingerprint(t), Size: rapid.Uint32().Draw(t, "size")}
}

func drawFlags(t *rapid.T, _ string) []imap.Flag {
	var flags []imap.Flag
	for range rapid.IntRange(0, 4).Draw(t, "flags") {
		flags = append(flags, imap.Flag(anyText(t, "flag")))
	}
	return flags
}

func drawIntent(t *rapid.T, _ string) store.Intent {
	return store.Intent{Key: "key", Fingerprint: drawFingerprint(t), Size: rapid.Uint32().Draw(t, "size"), Flags: drawFlags(t, ""),
		UIDValidity: rapid.Uint32().Draw(t, "uidvalidity"), UIDNext: imap.UID(rapid.Uint32().Draw(t, "uidnext")),
		Written: anyTime(t, "written"), Taken: rapid.Bool().Draw(t, "taken"),
		Batch: rapid.Uint64Min(1).Draw(t, "batch"), Place: rapid.Uint32().Draw(t, "place"), Together: rapid.Bool().Draw(t, "together")}
}

func drawQuarantined(t *rapid.T, _ string) store.Quarantined {
	return store.Quarantined{Key: "key", Reason: reason.Said(anyText(t, "reason")), Cause: anyText(t, "cause"),
		Attempts: rapid.Uint32().Draw(t, "attempts"), Since: anyTime(t, "since"), Last: anyTime(t, "last"),
		Again: rapid.Bool().Draw(t, "again")}
}

func drawRepaired(t *rapid.T, _ string) store.Repaired {
	return store.Repaired{Key: "key", What: reason.Said(anyText(t, "what")), Fingerprint: drawFingerprint(t),
		Size: rapid.Uint32().Draw(t, "size"), When: anyTime(t, "when")}
}

func drawAway(t *rapid.T, _ string) Away {
	n := rapid.Uint32()
	return Away{In: store.FolderID(n.Draw(t, "in")), Away: store.Away{Line: store.Elsewhere{Folder: 3, Key: "key"}, UIDValidity: n.Draw(t, "uidvalidity"),
		UID: imap.UID(n.Draw(t, "uid")), Fingerprint: drawFingerprint(t), Size: n.Draw(t, "size")}}
}

func drawPass(t *rapid.T, _ string) store.Pass {
	n := rapid.Uint64()
	p := store.Pass{Started: anyTime(t, "started"), Ended: anyTime(t, "ended"), Copied: n.Draw(t, "copied"), Adopted: n.Draw(t, "adopted"), FlagChanges: n.Draw(t, "flags"),
		Bytes: n.Draw(t, "bytes"), Quarantined: n.Draw(t, "quarantined"), Complete: rapid.Bool().Draw(t, "complete"), Error: reason.Said(anyText(t, "error"))}
	if p.Kind = store.ProblemKind(anyText(t, "kind")); p.Kind != "" {
		p.Server, p.Host, p.Folder = store.Side(anyText(t, "server")), anyText(t, "host"), anyText(t, "folder")
	}
	return p
}

// TestRowsKeepEverything writes rows and reads them. A row that is cut or
// has something behind its end is refused.
func TestRowsKeepEverything(t *testing.T) {
	for _, k := range rowKinds(testSealer(t)) {
		t.Run(k.name, rapid.MakeCheck(func(t *rapid.T) {
			want := k.draw(t)
			row := k.encode(want)
			got, _, err := k.again(row)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
			}
			if _, _, err := k.again(append(row, 0)); err == nil {
				t.Fatal("a row with a byte behind its end was read")
			}
			cut := rapid.IntRange(1, len(row)).Draw(t, "cut")
			if _, _, err := k.again(row[:len(row)-cut]); (err == nil) != (cut == k.added(want) || slices.ContainsFunc(k.since, func(since func(any) int) bool { return cut == since(want) })) {
				t.Fatalf("a row without its last %d octets: %v", cut, err)
			}
		}))
	}
}

// FuzzDecode reads arbitrary bytes as each kind of row: that gives an error
// or a value that is kept, never a panic.
func FuzzDecode(f *testing.F) {
	s := testSealer(f)
	kinds := rowKinds(s)
	for i, k := range kinds {
		f.Add(i, k.encode(rapid.Custom(k.draw).Example(i)))
		f.Add(i, []byte{})
		f.Add(i, bytes.Repeat([]byte{0xff}, 40))
	}
	f.Fuzz(func(t *testing.T, i int, row []byte) {
		k := kinds[uint(i)%uint(len(kinds))]
		value, encoded, err := k.again(row)
		if err != nil {
			return
		}
		again, _, err := k.again(encoded)
		if err != nil || !reflect.DeepEqual(again, value) {
			t.Errorf("%s: got %+v, %v\nwant %+v", k.name, again, err, value)
		}
	})
}

// TestRowsWithSentences: rows of earlier versions have reasons in English, which are read as the codes
// that they are now.
func TestRowsWithSentences(t *testing.T) {
	folder := store.Folder{ID: 7, Old: "a", Title: "a", State: store.FolderSkipped, Note: `skip has "a*" in the configuration`}
	if f, err := DecodeFolder(7, EncodeFolder(&folder)); err != nil || f.Note != reason.Of(reason.LeftByConfig, "a*") {
		t.Errorf("%q, %v", string(f.Note), err)
	}
	refused := store.Quarantined{Key: "k", Reason: "The new server refuses this message, also after a repair (bare LF made CRLF, keywords left out)."}
	want := reason.Of(reason.RefusedRepaired, reason.All(reason.Of(reason.BareLFMade), reason.Of(reason.KeywordsLeft)))
	if q, err := DecodeQuarantined("k", EncodeQuarantined(&refused)); err != nil || q.Reason != want {
		t.Errorf("%q, %v", string(q.Reason), err)
	}
	way := store.WayBack{Trouble: "the old mailbox is full"}
	if w, _, err := DecodeReturns(FolderKey(1, 7), EncodeWayBack(&way)); err != nil || w.Trouble != reason.Of(reason.BackFull) {
		t.Errorf("%+v, %v", w, err)
	}
	repaired := store.Repaired{Key: "k", What: "NUL octets replaced by 0x80, final line end added"}
	if r, err := DecodeRepaired("k", EncodeRepaired(&repaired)); err != nil || r.What != reason.All(reason.Of(reason.NULReplaced), reason.Of(reason.EndAdded)) {
		t.Errorf("%q, %v", string(r.What), err)
	}
}
