package syncer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream/link"
)

// fieldName is a name of RFC 5322 section 2.2.
var fieldName = regexp.MustCompile(`^[!-9;-~]+$`)

// refuseLikeCyrus refuses what Cyrus does.
func refuseLikeCyrus(body []byte) error {
	refuse := func(text string) error {
		return &link.Error{Server: "fake", Op: "APPEND", Class: link.Refused, Text: text, Err: fmt.Errorf("NO")}
	}
	switch {
	case len(body) == 0:
		return refuse("Zero-length message literal")
	case bytes.IndexByte(body, 0) >= 0:
		return refuse("Message contains NUL characters")
	case bytes.Count(body, []byte("\n")) != bytes.Count(body, []byte("\r\n")):
		return refuse("Message contains bare newlines")
	}
	for i, line := range bytes.SplitAfter(body, []byte("\n")) {
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break // the header ends
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if line[0] != ' ' && line[0] != '\t' && (!ok || !fieldName.Match(name)) && (i > 0 || !bytes.HasPrefix(line, []byte("From "))) {
			return refuse("Message contains invalid header")
		}
	}
	return nil
}

func TestRepairMessage(t *testing.T) {
	long := strings.Repeat("word ", 300)
	for _, tt := range []struct {
		name, body, words, want, what string
	}{
		{"nothing wrong", "A: b\r\n\r\nText\r\n", "No thanks", "", ""},
		{"empty", "", "Zero-length message", "", ""},
		{"NUL", "A: b\x00\r\n\r\nT\x00xt\r\n", "", "A: b\x80\r\n\r\nT\x80xt\r\n", "NUL octets replaced by 0x80"},
		{"bare LF", "A: b\n\n\nText\r\nmore\n", "", "A: b\r\n\r\n\r\nText\r\nmore\r\n", "bare LF made CRLF"},
		{"bare CR stays", "A: b\r\n\r\na\rb\r\r\n", "", "", ""},
		{"no final CRLF", "A: b\r\n\r\nText", "", "A: b\r\n\r\nText\r\n", "final line end added"},
		{"final CR", "A: b\r\n\r\nText\r", "", "A: b\r\n\r\nText\r\n", "final line end completed"},
		{"mbox", "From a@b Mon Jan  1 10:00:00 2020\r\n>From c@d\r\nA: b\r\n\r\n>From x\r\n", "", "A: b\r\n\r\n>From x\r\n", "mbox separator before the header removed"},
		{"the field From", "From : a@b\r\n\r\n", "", "From: a@b\r\n\r\n", "blanks before a header field's colon removed"},
		{"no field", "Sub ject: a\r\nB: c\r\n d\r\nbroken\r\n\r\nx: \r\n", "", "X-Original-Line: Sub ject: a\r\nB: c\r\n d\r\n broken\r\n\r\nx: \r\n", "lines that are no header field joined to the one before"},
		{"no header", "Just text\r\nand more\r\n", "", "\r\nJust text\r\nand more\r\n", "empty header added"},
		{"blank first line", "\r\nJust text\r\n", "", "", ""},
		{"long lines nobody speaks of", "A: " + long + "\r\n\r\n" + long + "\r\n", "No", "", ""},
		{"long lines", "A: " + long + "\r\n\r\n" + long + "\r\n", "Line too long",
			"A: " + strings.Repeat("word ", 199)[:994] + "\r\n" + " " + strings.Repeat("word ", 101) + "\r\n\r\n" + long + "\r\n", "long header lines folded"},
		{"a long word", "A: " + strings.Repeat("x", 2000) + "\r\n\r\n", "line length over 998", "", ""},
		{"several", "A : b\n\nText\x00", "", "A: b\r\n\r\nText\x80\r\n", "NUL octets replaced by 0x80, bare LF made CRLF, final line end added, blanks before a header field's colon removed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := []byte(tt.body)
			r, ok := message.RepairMessage(before, nil, tt.words)
			if string(before) != tt.body {
				t.Error("the original was changed")
			}
			if ok != (tt.what != "") || r.Reason().String() != tt.what {
				t.Errorf("did %q", r.Reason())
			}
			if ok && string(r.Body) != tt.want {
				t.Errorf("got\n%q want\n%q", r.Body, tt.want)
			}
		})
	}
}

func TestRepairKeywords(t *testing.T) {
	flags := []imap.Flag{"$NotJunk", imap.FlagSeen}
	r, ok := message.RepairMessage([]byte("A: b\r\n\r\n"), flags, "Invalid keyword")
	if !ok || !slices.Equal(r.Flags, []imap.Flag{imap.FlagSeen}) || len(flags) != 2 || r.Reason() != reason.Of(reason.KeywordsLeft) {
		t.Errorf("%v, %v, %v", r.Flags, flags, r.What)
	}
	if _, ok := message.RepairMessage([]byte("A: b\r\n\r\n"), flags, "Invalid header"); ok {
		t.Error("flags left out although the server spoke of something else")
	}
}

func TestRepairFlags(t *testing.T) {
	flags := []imap.Flag{"$NotJunk", imap.FlagDeleted, imap.FlagSeen}
	for words, want := range map[string][]imap.Flag{
		"APPEND Contains Deleted flag":    {"$NotJunk", imap.FlagSeen},
		`Flag "\Seen" is not for you`:     {"$NotJunk", imap.FlagDeleted},
		"Invalid flags $NotJunk, \\Seen.": {imap.FlagDeleted},
		"Undeleted flag":                  {imap.FlagDeleted, imap.FlagSeen}, // the keywords
		"Bad mood":                        nil,                               // nothing else is left to try
	} {
		r, ok := message.RepairMessage([]byte("A: b\r\n\r\n"), flags, words)
		if !ok || !slices.Equal(r.Flags, want) || len(r.Body) != 8 {
			t.Errorf("%s: %v, %v", words, r.Flags, r.What)
		}
	}
	if r, ok := message.RepairMessage([]byte("A: b\r\n\r\n"), flags[1:], "Invalid flag"); !ok || len(r.Flags) > 0 {
		t.Errorf("%v, %v", r.Flags, r.What)
	}
}

// TestRepairAwkward: what is repaired is taken by a server as strict as Cyrus.
func TestRepairAwkward(t *testing.T) {
	files, err := filepath.Glob("../testdata/messages/*.eml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d messages, %v", len(files), err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if refuseLikeCyrus(body) == nil {
			continue
		}
		r, ok := message.RepairMessage(body, nil, "")
		if err := refuseLikeCyrus(r.Body); !ok || err != nil {
			t.Errorf("%s: %v, still refused: %v", filepath.Base(name), r.What, err)
		}
	}
}

// TestRepairIsEnough: whatever the message, its repair needs none, is taken, and
// keeps the body's words.
func TestRepairIsEnough(t *testing.T) {
	pieces := []string{"A: b", "Subject", " ", ":", "\r\n", "\n", "\r", "\x00", "From ", ">From ", "x", "\t", "ü", strings.Repeat("long ", 250)}
	rapid.Check(t, func(t *rapid.T) {
		body := []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 30).Draw(t, "pieces"), ""))
		words := rapid.SampledFrom([]string{"", "line too long"}).Draw(t, "words")
		r, ok := message.RepairMessage(body, nil, words)
		if len(body) == 0 || !ok {
			if len(body) > 0 && refuseLikeCyrus(body) != nil {
				t.Fatalf("nothing to repair: %q", body)
			}
			return
		}
		if err := refuseLikeCyrus(r.Body); err != nil {
			t.Fatalf("%q is still refused: %v", r.Body, err)
		}
		if again, ok := message.RepairMessage(r.Body, nil, words); ok {
			t.Fatalf("repaired again (%v): %q", again.What, r.Body)
		}
	})
}

const nulMail = "Message-ID: <nul@example.com>\nFrom: a@example.com\n\n\x00\n"

// TestRefusedMessageIsRepaired wants the old server's message repaired once,
// recorded, and never touched again, whether its body is held or streamed.
func TestRefusedMessageIsRepaired(t *testing.T) {
	for _, lines := range []int{1, 5000, 400_000} {
		t.Run(fmt.Sprint(lines), func(t *testing.T) {
			r := newRig(t)
			r.cfg.Sync.Memory = 64 << 20
			for i := range 120 {
				r.pair.old.deliver("INBOX", mail(i))
			}
			body := nulMail + strings.Repeat("text\n", lines)
			r.pair.old.deliver("INBOX", body, imap.FlagSeen, "$Work")
			r.pair.old.deliver("INBOX", "")
			r.pair.old.deliver("INBOX", mail(500))
			r.pair.new.refuse = refuseLikeCyrus
			r.start(false)
			res := r.sync()
			if res.Pass.Copied != 122 || res.Pass.Quarantined != 1 || !res.Pass.Complete {
				t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
			}
			want, _ := message.RepairMessage([]byte(body), nil, "")
			if !slices.Contains(r.pair.new.bodies("INBOX"), string(want.Body)) {
				t.Error("the repaired message is not there")
			}
			if got := r.pair.new.flags("INBOX", string(want.Body)); !slices.Equal(got, []imap.Flag{"$Work", imap.FlagSeen}) {
				t.Errorf("its flags: %v", got)
			}
			l := r.ledger("INBOX")
			if len(l.Repaired) != 1 || l.Repaired[0].What != want.Reason() || int(l.Repaired[0].Size) != len(body) || len(l.Intents) > 0 {
				t.Errorf("recorded: %+v, intents %+v", l.Repaired, l.Intents)
			}
			for _, e := range l.Entries {
				if e.Key == l.Repaired[0].Key && (int(e.Size) != len(want.Body) || e.Fingerprint != message.Fingerprint(want.Body, int64(len(want.Body)))) {
					t.Errorf("the entry is not the copy's: %+v", e)
				}
			}
			if len(l.Quarantine) != 1 || !strings.Contains(l.Quarantine[0].Reason.String(), "empty") {
				t.Errorf("quarantine: %+v", l.Quarantine)
			}
			if res = r.sync(); res.Pass.Copied+res.Pass.Quarantined+res.Pass.FlagChanges != 0 {
				t.Fatalf("second pass: %+v", res.Pass)
			}
		})
	}
}

// ledger reads a folder's.
func (r *rig) ledger(old string) store.Ledger {
	r.t.Helper()
	folders, err := r.store.Folders(r.t.Context(), r.account.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range folders {
		if f.Old == old {
			l, err := r.store.Ledger(r.t.Context(), r.account.ID, f.ID)
			if err != nil {
				r.t.Fatal(err)
			}
			return l
		}
	}
	r.t.Fatalf("no folder %s", old)
	return store.Ledger{}
}

// TestRepairedCopyIsFoundLater: with the ledger lost, repaired copies are adopted. Of a
// message that can't be dealt with at that moment the copy is found when it is tried again.
func TestRepairedCopyIsFoundLater(t *testing.T) {
	for _, lines := range []int{2_000, 400_000} { // more than a copy may differ in size
		t.Run(fmt.Sprint(lines), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				r.cfg.Sync.Memory = 64 << 20
				twice := nulMail + strings.Repeat("text\n", lines)
				r.pair.old.deliver("INBOX", mail(1))
				r.pair.old.deliver("INBOX", twice)
				r.pair.new.refuse = refuseLikeCyrus
				r.start(false)
				r.sync()
				r.pair.new.deliver("INBOX", mail(2)) // by itself

				late := newRig(t)
				late.cfg.Sync.Memory = 64 << 20
				late.pair = r.pair
				r.pair.old.deliver("INBOX", twice) // once more
				busy := true
				r.pair.new.refuse = func(body []byte) error {
					if busy && bytes.IndexByte(body, 0) >= 0 {
						return bugError()
					}
					return refuseLikeCyrus(body)
				}
				late.start(false)
				if res := late.sync(); res.Pass.Quarantined != 2 || res.Pass.Adopted != 1 {
					t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
				}
				busy = false
				if res := late.sync(); res.Pass.Adopted != 1 || res.Pass.Copied != 1 || !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				if n := len(r.pair.new.bodies("INBOX")); n != 4 {
					t.Errorf("%d messages on the new server", n)
				}
				if l := late.ledger("INBOX"); len(l.Repaired) != 2 || len(l.Quarantine)+len(l.Intents) > 0 || len(l.Entries) != 3 {
					t.Errorf("%+v", l)
				}
			})
		})
	}
}

// TestRepairWithoutSearch: a server that refuses to be asked for a repaired copy does not hold
// up the folder for it.
func TestRepairWithoutSearch(t *testing.T) {
	for _, step := range []string{"+SEARCH", "+HEADERS"} {
		r := newRig(t)
		r.pair.old.deliver("INBOX", mail(1))
		r.pair.new.refuse = refuseLikeCyrus
		r.start(false)
		r.sync()
		r.pair.new.deliver("INBOX", strings.Replace(nulMail, "<nul@", "<own@", 1)) // by itself: as large as the repaired one
		r.pair.old.deliver("INBOX", nulMail)
		r.pair.old.deliver("INBOX", mail(2))
		asked := false
		r.pair.new.fail(func(at string) error {
			if at != step {
				return nil
			}
			asked = true
			return refusedError("UID SEARCH", imap.ResponseCodeCannot)
		})
		if res := r.sync(); res.Pass.Copied != 2 || !res.Pass.Complete || !asked {
			t.Errorf("%s: %+v, problem %+v", step, res.Pass, res.Problem)
		}
		if l := r.ledger("INBOX"); len(l.Repaired) != 1 || len(l.Intents) > 0 {
			t.Errorf("%s: %+v", step, l)
		}
	}
}

// TestRepairInVain: all refusals are counted, and the last of each kind is told.
func TestRepairInVain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pair.old.deliver("INBOX", nulMail)
		r.pair.old.deliver("INBOX", mail(1))
		tries := 0
		r.pair.new.refuse = func(body []byte) error {
			if bytes.Contains(body, []byte("<nul@")) {
				tries++
				return &link.Error{Server: "fake", Op: "APPEND", Class: link.Refused, Text: fmt.Sprintf("no, for the %d. time", tries), Err: fmt.Errorf("NO")}
			}
			return nil
		}
		r.start(false)
		if res := r.sync(); res.Pass.Copied != 1 || res.Pass.Quarantined != 1 || !res.Pass.Complete {
			t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
		}
		l := r.ledger("INBOX")
		if len(l.Repaired)+len(l.Intents) > 0 || len(l.Quarantine) != 1 {
			t.Fatalf("%+v", l)
		}
		q := l.Quarantine[0]
		if q.Attempts != 3 || !strings.Contains(q.Reason.String(), "NUL octets replaced") || !strings.Contains(q.Cause, "3. time") || !strings.Contains(q.Cause, "4. time") {
			t.Errorf("%+v", q)
		}
	})
}

// TestRepairCutAtEveryStep loses the connection at each step of a repair, before
// and after it took effect, with and without APPENDUID.
func TestRepairCutAtEveryStep(t *testing.T) {
	for _, uidplus := range []bool{true, false} {
		for n := 1; n <= 6; n++ {
			for _, step := range []string{"+APPEND", "-APPEND", "+WAIT", "-WAIT"} {
				t.Run(fmt.Sprintf("%v/%d%s", uidplus, n, step), func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						cutRepair(t, uidplus, n, step)
					})
				})
			}
		}
	}
}

func cutRepair(t *testing.T, uidplus bool, n int, step string) {
	r := newRig(t)
	noID := strings.Replace(nulMail, "Message-ID: <nul@example.com>\n", "", 1)
	bodies := []string{nulMail, noID, noID, mail(1), nulMail + strings.Repeat("text\n", 300_000)}
	for _, body := range bodies {
		r.pair.old.deliver("INBOX", body)
	}
	r.pair.new.refuse = refuseLikeCyrus
	r.pair.new.uidplus = uidplus
	left := n
	r.pair.new.fail(func(s string) error {
		if s != step {
			return nil
		}
		if left--; left != 0 {
			return nil
		}
		return &link.Error{Server: "fake", Op: step, Class: link.Lost, Err: os.ErrDeadlineExceeded}
	})
	r.start(false)
	if res := r.sync(); !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	var want []string
	for _, body := range bodies {
		fixed, ok := message.RepairMessage([]byte(body), nil, "")
		if !ok {
			fixed.Body = []byte(body)
		}
		want = append(want, string(fixed.Body))
	}
	got := r.pair.new.bodies("INBOX")
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d messages on the new server, want %d", len(got), len(want))
	}
	for _, e := range r.ledger("INBOX").Entries {
		if e.UID == 0 {
			t.Errorf("entered without its UID: %+v", e)
		}
	}
}

// TestRepairedCopiesAreAdopted: with the ledger lost or the old server's numbers
// changed, repaired copies are found and not made again, each only once.
func TestRepairedCopiesAreAdopted(t *testing.T) {
	for _, lost := range []string{"ledger", "keys"} {
		t.Run(lost, func(t *testing.T) {
			r := newRig(t)
			noID := strings.Replace(nulMail, "Message-ID: <nul@example.com>\n", "", 1)
			for _, body := range []string{nulMail + strings.Repeat("text\n", 5000), noID, mail(1), noID} {
				r.pair.old.deliver("INBOX", body)
			}
			r.pair.new.refuse = refuseLikeCyrus
			r.start(false)
			if res := r.sync(); res.Pass.Copied != 4 {
				t.Fatalf("%+v", res.Pass)
			}
			r.stop()
			if lost == "keys" {
				r.pair.old.folders["INBOX"].validity += 100
				r.pair.old.folders["INBOX"].modseq++
			} else {
				r.store = newRig(t).store
			}
			r.start(false)
			r.pair.old.deliver("INBOX", noID) // a third one: to be copied
			res := r.sync()
			if res.Pass.Adopted != 4 || res.Pass.Copied != 1 || !res.Pass.Complete {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			// Without a ledger, copies without a Message-ID are recognised by all that is in them
			// before they are sent again: that they were repaired isn't known any more.
			noted := map[string]int{"ledger": 2, "keys": 4}[lost]
			l := r.ledger("INBOX")
			if len(l.Repaired) != noted || len(l.Entries) != 5 || len(l.Intents) > 0 {
				t.Errorf("%d repaired, %d entries, %d intents", len(l.Repaired), len(l.Entries), len(l.Intents))
			}
			for i, e := range l.Entries[:noted/2] {
				if re := l.Repaired[i]; re.Key != e.Key || re.Size >= e.Size {
					t.Errorf("%+v is not noted as %+v", e, re)
				}
			}
		})
	}
}

// FuzzRepair: whatever comes from the old server, a repair keeps its promises.
func FuzzRepair(f *testing.F) {
	f.Add([]byte(nulMail), "Message contains NUL characters")
	f.Add([]byte("From x\n>From y\nA : b\nc\n\nd"), "line too long")
	f.Add([]byte("A: b\r\n\r\n"), "invalid flag $a")
	f.Fuzz(func(t *testing.T, body []byte, words string) {
		flags := []imap.Flag{"$a", imap.FlagSeen, "b"}
		before := bytes.Clone(body)
		r, ok := message.RepairMessage(body, flags, words)
		if !bytes.Equal(before, body) || len(flags) != 3 {
			t.Fatal("the original was changed")
		}
		if !ok {
			return
		}
		if len(r.Flags) < len(flags) {
			if len(message.WithoutFlags(r.Flags, flags)) > 0 || !bytes.Equal(r.Body, body) {
				t.Fatalf("%v of %v", r.Flags, flags)
			}
			return
		}
		if err := refuseLikeCyrus(r.Body); err != nil {
			t.Fatalf("%q is still refused: %v", r.Body, err)
		}
		if again, ok := message.RepairMessage(r.Body, nil, words); ok {
			t.Fatalf("repaired again (%v): %q", again.What, r.Body)
		}
	})
}
