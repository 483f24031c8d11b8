package lab

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

const anna = "anna@example.com"

func TestFilledMaildirIsSeenAsWritten(t *testing.T) {
	for _, tt := range []struct{ separator, prefix, folder string }{
		{".", "INBOX.", "INBOX.Büro & Co.Größe \"neu\""},
		{"/", "", "Büro & Co/Größe 日本語"},
		{"/", "", "INBOX"},
	} {
		t.Run(tt.folder, func(t *testing.T) {
			d := StartDovecot(t, DovecotOptions{
				Separator: tt.separator, Prefix: tt.prefix, Users: []User{{anna, "x"}},
			})
			msgs := Generate(1, 50, 2000)
			msgs[49].New, msgs[49].Flags = true, nil
			d.FillMaildir(anna, tt.folder, msgs[:25])
			d.FillMaildir(anna, tt.folder, msgs[25:49])
			d.Open(anna, tt.folder)
			d.FillMaildir(anna, tt.folder, msgs[49:])
			files := d.Files(anna)
			snap := d.Snapshot(anna)
			folder := snap.Folders[tt.folder]
			if folder == nil {
				t.Fatalf("no %q in %v", tt.folder, snap.Folders)
			}
			if len(folder.Messages) != len(msgs) {
				t.Fatalf("%d messages", len(folder.Messages))
			}
			for i, m := range folder.Messages {
				checkMessage(t, m, msgs[i])
			}
			if diff := snap.Diff(d.Snapshot(anna)); diff != "" {
				t.Errorf("reading changed something:\n%s", diff)
			}
			if now := d.Files(anna); !slices.Equal(files, now) {
				t.Errorf("reading changed files:\n%q\n%q", files, now)
			}
		})
	}
}

func checkMessage(t *testing.T, got MessageSnapshot, want Msg) {
	t.Helper()
	flags := slices.Sorted(slices.Values(want.Flags))
	if !slices.Equal(got.Flags, flags) || got.Recent != want.New || !got.Date.Equal(want.Date) {
		t.Errorf("UID %d: flags %v, want %v; recent %t, want %t; date %v, want %v",
			got.UID, got.Flags, flags, got.Recent, want.New, got.Date, want.Date)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(want.Body)); got.Sum != sum || got.Size != int64(len(want.Body)) {
		t.Errorf("UID %d: body of %d octets %s, want %d %s", got.UID, got.Size, got.Sum, len(want.Body), sum)
	}
}

func TestSnapshotsShowChanges(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{Users: []User{{anna, "x"}}})
	d.FillMaildir(anna, "INBOX", Generate(1, 3, 600))
	newMail := Generate(2, 1, 600)[0]
	newMail.New = true
	d.FillMaildir(anna, "INBOX", []Msg{newMail})
	before, files := d.Snapshot(anna), d.Files(anna)
	c := d.Client(anna)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil { // clears \Recent for the others
		t.Fatal(err)
	}
	if diff := before.Diff(d.Snapshot(anna)); !strings.Contains(diff, "recent false") {
		t.Errorf("SELECT left no trace:\n%s", diff)
	}
	if slices.Equal(files, d.Files(anna)) {
		t.Error("SELECT left new/ alone")
	}
	store := c.Store(imap.UIDSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{"Neu"}}, nil)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := before.Diff(d.Snapshot(anna)); !strings.Contains(diff, "UID 1 ") {
		t.Errorf("STORE left no trace:\n%s", diff)
	}
	d.Subscribe(anna, "INBOX")
	d.Create(anna, "Other")
	if diff := before.Diff(d.Snapshot(anna)); !strings.Contains(diff, "subscribed") || !strings.Contains(diff, "Other: exists false, then true") {
		t.Errorf("SUBSCRIBE and CREATE left no trace:\n%s", diff)
	}
}

func TestSameMailCountsCopies(t *testing.T) {
	old := StartDovecot(t, DovecotOptions{Prefix: "INBOX.", Users: []User{{anna, "x"}}})
	new := StartDovecot(t, DovecotOptions{Format: "sdbox", Users: []User{{anna, "x"}}})
	msgs := Generate(1, 5, 600)
	old.FillMaildir(anna, "INBOX.A.B", msgs)
	new.Append(anna, "A/B", msgs...)
	rename := func(name string) string {
		return strings.ReplaceAll(strings.TrimPrefix(name, "INBOX."), ".", "/")
	}
	if diff := SameMail(old.Snapshot(anna), new.Snapshot(anna), rename); diff != "" {
		t.Errorf("same mail, but:\n%s", diff)
	}
	new.Append(anna, "A/B", msgs[0])
	if diff := SameMail(old.Snapshot(anna), new.Snapshot(anna), rename); strings.Count(diff, "A/B: +1 ") != 1 {
		t.Errorf("a second copy shows as:\n%s", diff)
	}
}

func TestGeneratedMessages(t *testing.T) {
	for _, size := range []int{512, 513, 589, 590, 591, 592, 1000, 8192} {
		for _, m := range Generate(3, 3, size) {
			if len(m.Body) != size || !bytes.HasSuffix(m.Body, []byte("\r\n")) {
				t.Errorf("%d octets instead of %d, ending %q", len(m.Body), size, m.Body[len(m.Body)-3:])
			}
		}
	}
	if !slices.EqualFunc(Generate(4, 5, 900), Generate(4, 5, 900), func(a, b Msg) bool { return bytes.Equal(a.Body, b.Body) }) {
		t.Error("the same seed gave other messages")
	}
	total := 0
	for _, m := range Mixed(1, 1500) {
		total += len(m.Body)
	}
	if mean := total / 1500; mean < 35<<10 || mean > 45<<10 {
		t.Errorf("mixed messages have %d octets on average", mean)
	}
}

func TestEncodeMUTF7(t *testing.T) {
	for name, want := range map[string]string{
		"Entwürfe": "Entw&APw-rfe", "A&B": "A&-B", "~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "😀": "&2D3eAA-",
	} {
		if got := encodeMUTF7(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
