package upstream

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// openedHeaders opens a folder with the headers of a set and returns what came.
func openedHeaders(t *testing.T, s *Session, set imap.UIDSet) (sel *Selected, got []string) {
	t.Helper()
	sel, err := s.Changer.SelectAndHeaders(context.Background(), "INBOX", set, func(m Message, header []byte) error {
		got = append(got, fmt.Sprintf("%d %d %q", m.UID, m.Size, header))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sel, got
}

// TestSelectAndHeaders: one round trip, whatever comes in between.
func TestSelectAndHeaders(t *testing.T) {
	s := scripted(t, fmt.Sprintf(`@
C: P2 SELECT INBOX
C: P3 UID FETCH 4,7:* %s
S: * 3 EXISTS
S: * OK [UIDVALIDITY 9] x
S: * OK [UIDNEXT 8] x
S: P2 OK [READ-WRITE] x
S: * 2 FETCH (FLAGS (\Seen))
S| "* 1 FETCH (UID 4 RFC822.SIZE 9 BODY[HEADER.FIELDS (X)] {4}\r\na: b)\r\n"
S| "* 3 FETCH (UID 7 RFC822.SIZE 8 BODY[HEADER.FIELDS (X)] {4}\r\nc: d)\r\n"
S: P3 OK
`, headerItems))
	sel, got := openedHeaders(t, s, imap.UIDSet{{Start: 4, Stop: 4}, {Start: 7, Stop: 0}})
	if want := []string{`4 9 "a: b"`, `7 8 "c: d"`}; sel.UIDNext != 8 || !slices.Equal(got, want) {
		t.Errorf("%+v, %q", sel, got)
	}
}

// TestSelectAndHeadersInParts: a long set takes several commands, and one that is refused
// is asked for again by itself.
func TestSelectAndHeadersInParts(t *testing.T) {
	var set imap.UIDSet
	for uid := imap.UID(1); uid < 2500; uid += 2 {
		set.AddNum(uid)
	}
	parts := splitSet(set)
	if len(parts) != 2 {
		t.Fatalf("%d parts", len(parts))
	}
	s := scripted(t, fmt.Sprintf(`@
C: P2 SELECT INBOX
C: P3 UID FETCH %[1]s %[3]s
S: P2 OK
S| "* 1 FETCH (UID 1 RFC822.SIZE 9 BODY[HEADER.FIELDS (X)] {4}\r\na: b)\r\n"
S: P3 OK
C: P4 UID FETCH %[2]s %[3]s
S| "* 9 FETCH (UID 2499 RFC822.SIZE 8 BODY[HEADER.FIELDS (X)] {4}\r\nc: d)\r\n"
S: P4 OK
C: P5 SELECT INBOX
C: P6 UID FETCH 1 %[3]s
S: P5 OK
S: P6 NO not together
C: P7 UID FETCH 1 %[3]s
S| "* 1 FETCH (UID 1 RFC822.SIZE 9 BODY[HEADER.FIELDS (X)] {4}\r\na: b)\r\n"
S: P7 OK
`, setText(parts[0]), setText(parts[1]), headerItems))
	if _, got := openedHeaders(t, s, set); !slices.Equal(got, []string{`1 9 "a: b"`, `2499 8 "c: d"`}) {
		t.Errorf("%q", got)
	}
	if _, got := openedHeaders(t, s, imap.UIDSetNum(1)); !slices.Equal(got, []string{`1 9 "a: b"`}) {
		t.Errorf("%q", got)
	}
}

func setText(set imap.UIDSet) string {
	var all []string
	for _, r := range set {
		all = append(all, fmt.Sprint(r.Start))
	}
	return strings.Join(all, ",")
}

// TestSendHeaders: it is sent behind another question and answered in the same round trip.
func TestSendHeaders(t *testing.T) {
	s := scripted(t, fmt.Sprintf(`@ UNSELECT
C: P2 STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY)
C: P3 EXAMINE INBOX
C: P4 UID FETCH 4,7:4294967295 %s
C: P5 UNSELECT
S: * STATUS INBOX (MESSAGES 3 UIDNEXT 8 UIDVALIDITY 9)
S: P2 OK
S: * 3 EXISTS
S: * OK [UIDVALIDITY 9] x
S: P3 OK [READ-ONLY] x
S| "* 1 FETCH (UID 4 RFC822.SIZE 9 BODY[HEADER.FIELDS (X)] {4}\r\na: b)\r\n"
S: P4 OK
S: P5 OK
`, headerItems))
	ctx := context.Background()
	status, err := s.Tree.SendStatus(ctx, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	call, err := s.Opener.SendHeaders(ctx, "INBOX", imap.UIDSet{{Start: 4, Stop: 4}, {Start: 7, Stop: math.MaxUint32}}, func(m Message, header []byte) error {
		got = append(got, fmt.Sprintf("%d %q", m.UID, header))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if st, told, err := status.Wait(ctx); err != nil || !told || st.UIDNext != 8 {
		t.Errorf("%+v %t %v", st, told, err)
	}
	sel, err := call.Wait(ctx)
	if err != nil || sel.UIDValidity != 9 || !slices.Equal(got, []string{`4 "a: b"`}) {
		t.Errorf("%+v %q %v", sel, got, err)
	}
}

// TestSendHeadersRefused: a folder that does not open is a refusal, and the session goes on.
func TestSendHeadersRefused(t *testing.T) {
	s := scripted(t, fmt.Sprintf(`@
C: P2 EXAMINE "Gone"
C: P3 UID FETCH 4 %s
C: P4 CLOSE
S: P2 NO [NONEXISTENT] no such folder
S: P3 BAD nothing is open
S: P4 BAD nothing is open
C: P5 NOOP
S: P5 OK
`, headerItems))
	call, err := s.Opener.SendHeaders(context.Background(), "Gone", imap.UIDSetNum(4), func(Message, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call.Wait(context.Background()); link.ClassOf(err) != link.Refused {
		t.Error(err)
	}
	if err := s.Alive(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestExamineAndListWithHeads: listing and headers come in one round trip, and each counts by itself.
func TestExamineAndListWithHeads(t *testing.T) {
	s := scripted(t, fmt.Sprintf(`@
C: P2 EXAMINE INBOX
C: P3 UID FETCH 5:9 (UID FLAGS INTERNALDATE RFC822.SIZE)
C: P4 UID FETCH 3:4 %[1]s
S: * 3 EXISTS
S: P2 OK
S: * 3 FETCH (UID 5 FLAGS () INTERNALDATE "01-Jan-2020 00:00:00 +0000" RFC822.SIZE 7)
S: P3 OK
S| "* 2 FETCH (UID 4 RFC822.SIZE 9 BODY[HEADER.FIELDS (X)] {4}\r\na: b)\r\n"
S: P4 OK
C: P5 EXAMINE INBOX
C: P6 UID FETCH 5:9 (UID FLAGS INTERNALDATE RFC822.SIZE)
C: P7 UID FETCH 3:4 %[1]s
S: P5 OK
S: P6 OK
S: P7 NO headers are out of order
`, headerItems))
	for _, want := range []string{`5 7, 4 9 "a: b", `, ""} {
		got := ""
		_, ok, err := s.Opener.ExamineAndList(context.Background(), "INBOX", uids(5, 9), func(m Message) error {
			got += fmt.Sprintf("%d %d, ", m.UID, m.Size)
			return nil
		}, uids(3, 4), func(m Message, header []byte) error {
			got += fmt.Sprintf("%d %d %q, ", m.UID, m.Size, header)
			return nil
		})
		if got != want || !ok || err != nil {
			t.Errorf("%q, %t, %v; want %q", got, ok, err, want)
		}
	}
}
