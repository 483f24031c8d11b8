package upstream

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/upstream/link"
)

// seen is what was told of a message.
type seen struct {
	flags  string
	date   string
	size   int64
	body   string
	header string
}

// bindingServer has three messages of which everything differs, with gaps between their
// UIDs: 2, 4 and 6. odd rewrites its FETCH responses.
func bindingServer(t *testing.T, odd func(c *lab.OddConn, m *lab.OddMessage, response string) string) (*lab.Odd, map[imap.UID]seen) {
	t.Helper()
	server := lab.StartOdd(t, lab.OddOptions{Fetch: odd})
	truth := map[imap.UID]seen{}
	for i := range 3 {
		server.Deliver("INBOX", "gone", "")
		header := fmt.Sprintf("Message-ID: <%d@example.com>\r\nSubject: %s\r\n\r\n", i, strings.Repeat("x", i*7))
		body := header + strings.Repeat("text ", i+1) + "\r\n"
		date := time.Date(2019, 3, i+1, 10, 0, i, 0, time.UTC)
		flag := []string{`\Seen`, `\Flagged`, "$Label1"}[i]
		uid := server.Deliver("INBOX", body, date.Format("02-Jan-2006 15:04:05 -0700"), flag)
		truth[imap.UID(uid)] = seen{flag, date.Format(time.RFC3339), int64(len(body)), body, header}
	}
	server.Remove("INBOX", "gone")
	return server, truth
}

// readers are the ways in which messages are read. They tell what came, by UID.
var readers = map[string]func(ctx context.Context, s *Session, note func(m Message, what func(*seen))) error{
	"list": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
			return err
		}
		return s.Fetcher.ListMessages(ctx, uids(1, 9), 0, func(m Message) error { note(m, line(m)); return nil })
	},
	"list everything": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
			return err
		}
		return s.Fetcher.ListMessages(ctx, uids(1, 0), 0, func(m Message) error { note(m, line(m)); return nil })
	},
	"flags": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
			return err
		}
		return s.Fetcher.ListFlags(ctx, uids(1, 9), func(m Message) error {
			note(m, func(got *seen) { got.flags = flagText(m) })
			return nil
		})
	},
	"changed": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
			return err
		}
		return s.Fetcher.ListMessages(ctx, uids(1, 9), 1, func(m Message) error { note(m, line(m)); return nil })
	},
	"ahead": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		_, ok, err := s.Opener.ExamineAndList(ctx, "INBOX", uids(1, 9), func(m Message) error { note(m, line(m)); return nil }, nil, nil)
		if err == nil && !ok { // as its callers do
			err = s.Fetcher.ListMessages(ctx, uids(1, 9), 0, func(m Message) error { note(m, line(m)); return nil })
		}
		return err
	},
	"headers": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
			return err
		}
		return s.Fetcher.Headers(ctx, uids(1, 9), func(m Message, header []byte) error {
			note(m, func(got *seen) { got.header, got.size = string(header), m.Size })
			return nil
		})
	},
	"readback": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		sel, err := s.Opener.Examine(ctx, "INBOX")
		if err != nil {
			return err
		}
		for range 2 { // what is missing is asked for once more
			call, err := s.Appender.SendReadBack(ctx, "INBOX", sel.UIDValidity, uids(1, 9), nil)
			if err != nil {
				return err
			}
			found, err := call.Wait(ctx)
			if err != nil {
				return err
			}
			for _, m := range found {
				note(m, func(got *seen) { got.flags, got.date = flagText(m), dateText(m) })
			}
			if len(found) == 3 {
				break
			}
		}
		return nil
	},
	"bodies": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
			return err
		}
		came := map[imap.UID]bool{}
		err := s.Fetcher.Bodies(ctx, uids(1, 9), func(uid imap.UID, size int64, r io.Reader) error {
			came[uid] = true
			return takeBody(note)(uid, size, r)
		})
		for uid := imap.UID(2); uid < 8 && err == nil; uid += 2 { // as its callers do
			if !came[uid] {
				err = s.Fetcher.Bodies(ctx, uids(uid, uid), takeBody(note))
			}
		}
		return err
	},
	"ask": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		if _, err := s.Opener.Examine(ctx, "INBOX"); err != nil {
			return err
		}
		call, err := s.Fetcher.AskBodies(ctx, uids(1, 9))
		if err != nil {
			return err
		}
		came := map[imap.UID]bool{}
		err = call.Wait(ctx, func(uid imap.UID, size int64, r io.Reader) error {
			came[uid] = true
			return takeBody(note)(uid, size, r)
		})
		for uid := imap.UID(2); uid < 8 && err == nil; uid += 2 { // as its callers do
			if !came[uid] {
				err = s.Fetcher.Bodies(ctx, uids(uid, uid), takeBody(note))
			}
		}
		return err
	},
	"early": func(ctx context.Context, s *Session, note func(Message, func(*seen))) error {
		_, call, err := s.Opener.ExamineAndFetch(ctx, "INBOX", uids(1, 9), 3)
		if err != nil {
			return err
		}
		came := map[imap.UID]bool{}
		lines, all, err := call.Wait(ctx, func(m Message, size int64, r io.Reader) error {
			came[m.UID] = true
			note(m, line(m))
			return takeBody(note)(m.UID, size, r)
		})
		if err == nil && (!all || len(lines) < 3) { // as its callers do
			lines = nil
			err = s.Fetcher.ListMessages(ctx, uids(1, 9), 0, func(m Message) error { lines = append(lines, m); return nil })
		}
		for _, m := range lines {
			note(m, line(m))
			if !came[m.UID] && err == nil {
				err = s.Fetcher.Bodies(ctx, uids(m.UID, m.UID), takeBody(note))
			}
		}
		return err
	},
}

func line(m Message) func(*seen) {
	return func(got *seen) { got.flags, got.date, got.size = flagText(m), dateText(m), m.Size }
}

func flagText(m Message) string { return strings.Trim(fmt.Sprint(m.Flags), "[]") }

func dateText(m Message) string {
	if m.Date.IsZero() {
		return ""
	}
	return m.Date.UTC().Format(time.RFC3339)
}

func takeBody(note func(Message, func(*seen))) func(imap.UID, int64, io.Reader) error {
	return func(uid imap.UID, _ int64, r io.Reader) error {
		body, err := io.ReadAll(r)
		if err == nil {
			note(Message{UID: uid}, func(got *seen) { got.body = string(body) })
		}
		return nil // a body that is not whole is none
	}
}

var (
	uidWord   = regexp.MustCompile(`UID [0-9]+ ?`)
	flagsWord = regexp.MustCompile(`FLAGS \([^)]*\) ?`)
	dateWord  = regexp.MustCompile(`INTERNALDATE "[^"]*" ?`)
	sizeWord  = regexp.MustCompile(`RFC822\.SIZE [0-9]+ ?`)
)

// fetchItem finds an item with its value in a FETCH response.
func fetchItem(response, name string) string {
	switch name {
	case "UID":
		return uidWord.FindString(response)
	case "FLAGS":
		return flagsWord.FindString(response)
	case "INTERNALDATE":
		return dateWord.FindString(response)
	case "RFC822.SIZE":
		return sizeWord.FindString(response)
	}
	if at := strings.Index(response, "BODY["); at >= 0 {
		return strings.TrimSuffix(response[at:], ")\r\n")
	}
	return ""
}

func fetchWithout(response, name string) string {
	item := fetchItem(response, name)
	if item == "" {
		return response
	}
	return strings.Replace(strings.Replace(response, item, "", 1), " )", ")", 1)
}

// oddity is something wrong with what a server tells of the message at a place (1 to 3).
type oddity struct {
	name string
	// odd rewrites the response of the message that it strikes.
	odd func(c *lab.OddConn, m *lab.OddMessage, response string) string
}

func fetchNumber(response string) string {
	number, _, _ := strings.Cut(response[len("* "):], " ")
	return number
}

// rotated has the items in another order: the body first, the UID last.
func rotated(response string) string {
	parts := []string{}
	for _, name := range []string{"BODY", "RFC822.SIZE", "INTERNALDATE", "FLAGS", "UID"} {
		if item := strings.TrimRight(fetchItem(response, name), " "); item != "" {
			parts = append(parts, item)
		}
	}
	return "* " + fetchNumber(response) + " FETCH (" + strings.Join(parts, " ") + ")\r\n"
}

func oddities() (all []oddity) {
	for _, name := range []string{"UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY"} {
		without := func(_ *lab.OddConn, _ *lab.OddMessage, response string) string { return fetchWithout(response, name) }
		all = append(all, oddity{name: "no " + name, odd: without},
			oddity{name: "no " + name + ", the rest in another order", odd: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
				return rotated(fetchWithout(response, name))
			}},
			oddity{name: name + " in a response of its own before", odd: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
				return apart(response, name, "") + fetchWithout(response, name)
			}},
			oddity{name: name + " in a response of its own behind", odd: func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
				return fetchWithout(response, name) + apart(response, name, "")
			}},
			oddity{name: name + " in a response of its own with the UID", odd: func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
				return fetchWithout(response, name) + apart(response, name, fmt.Sprintf("UID %d ", m.UID))
			}})
	}
	add := func(name string, odd func(c *lab.OddConn, m *lab.OddMessage, response string) string) {
		all = append(all, oddity{name: name, odd: odd})
	}
	add("another order", func(_ *lab.OddConn, _ *lab.OddMessage, response string) string { return rotated(response) })
	add("left out altogether", func(*lab.OddConn, *lab.OddMessage, string) string { return "" })
	add("flags of another message in between", func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return fmt.Sprintf("* %d FETCH (FLAGS (\\Draft))\r\n", m.UID%3+1) + response
	})
	add("something of a message of another number", func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return fmt.Sprintf("* %d FETCH (RFC822.SIZE 4711 INTERNALDATE \"01-Jan-2001 00:00:00 +0000\")\r\n", m.UID%3+1) + response
	})
	add("EXPUNGE before", func(_ *lab.OddConn, _ *lab.OddMessage, response string) string { return "* 1 EXPUNGE\r\n" + response })
	add("EXPUNGE between two halves", func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		return fetchWithout(response, "UID") + "* 1 EXPUNGE\r\n" + apart(response, "UID", "")
	})
	add("the number of another message", func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		return strings.Replace(response, "* "+fetchNumber(response), "* 1", 1)
	})
	add("a UID that doesn't fit", func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return strings.Replace(response, fmt.Sprintf("UID %d", m.UID), fmt.Sprintf("UID %d", uint64(m.UID%6+2)+1<<32), 1)
	})
	add("UID 0", func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return strings.Replace(response, fmt.Sprintf("UID %d", m.UID), "UID 0", 1)
	})
	add("two UIDs", func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return strings.TrimSuffix(response, ")\r\n") + fmt.Sprintf(" UID %d)\r\n", m.UID%6+2)
	})
	add("two UIDs, ours last", func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return strings.Replace(response, "(UID", fmt.Sprintf("(UID %d UID", m.UID%6+2), 1)
	})
	add("two UIDs around the rest", func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return strings.Replace(rotated(response), "(", fmt.Sprintf("(UID %d ", m.UID%6+2), 1)
	})
	add("one that wasn't asked for", func(_ *lab.OddConn, m *lab.OddMessage, response string) string {
		return strings.Replace(response, fmt.Sprintf("UID %d", m.UID), "UID 77", 1)
	})
	add("two bodies in one response", func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
		if fetchItem(response, "BODY") == "" {
			return response
		}
		return strings.TrimSuffix(response, ")\r\n") + " BODY[] {5}\r\nother)\r\n"
	})
	add("twice", func(_ *lab.OddConn, _ *lab.OddMessage, response string) string { return response + response })
	return all
}

// apart is an item in a response of its own; "" if the response has no such item.
func apart(response, name, with string) string {
	item := strings.TrimRight(fetchItem(response, name), " ")
	if item == "" {
		return ""
	}
	return "* " + fetchNumber(response) + " FETCH (" + with + item + ")\r\n"
}

// TestItemsBelongToTheirMessage: whatever a server leaves out, tells in another place, twice
// or of other messages, nothing is taken for a message that did not come in a response that
// has its UID; and what comes as it should when it is asked for once more is there in the end.
func TestItemsBelongToTheirMessage(t *testing.T) {
	for how, read := range readers {
		for _, o := range oddities() {
			for place := range 4 {
				t.Run(fmt.Sprintf("%s/%s/%d", how, o.name, place), func(t *testing.T) {
					t.Parallel()
					testBinding(t, read, o, place)
				})
			}
		}
	}
}

// TestNotAskedTwiceForEver: what a server never tells is asked for twice once.
func TestNotAskedTwiceForEver(t *testing.T) {
	for _, tt := range []struct{ how, item string }{
		{"list", "INTERNALDATE"}, {"list", "RFC822.SIZE"}, {"list", "UID"}, {"flags", "UID"}, {"headers", "RFC822.SIZE"},
		{"changed", "FLAGS"},
	} {
		t.Run(tt.how+" without "+tt.item, func(t *testing.T) {
			server, _ := bindingServer(t, func(_ *lab.OddConn, _ *lab.OddMessage, response string) string {
				return fetchWithout(response, tt.item)
			})
			s, err := Dial(t.Context(), server.Server(), testOptions(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Login(t.Context(), ann); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if err := readers[tt.how](t.Context(), s, func(Message, func(*seen)) {}); err != nil {
					t.Fatal(err)
				}
			}
			if n := server.Count("UID FETCH"); n != 6 {
				t.Errorf("%d commands for 5 readings, want 6", n)
			}
		})
	}
}

// TestLargeBodyOfTwoMessages: a body that is too large to be held until its response has
// ended is given up at its end if that names another message.
func TestLargeBodyOfTwoMessages(t *testing.T) {
	large := strings.Repeat("x", maxEarly+1)
	for name, tail := range map[string]string{
		"another UID": "UID 5", "another one behind flags": `FLAGS (\\Seen) UID 5`, "our own and another": "UID 4 UID 5", "a longer one": "UID 44",
	} {
		t.Run(name, func(t *testing.T) {
			s := scripted(t, fmt.Sprintf(`@
C: P2 UID FETCH 4 (UID BODY.PEEK[])
S| "* 1 FETCH (UID 4 BODY[] {%d}\r\n%s %s)\r\nP2 OK\r\n"
`, len(large), large, tail))
			whole := false
			err := s.Fetcher.Bodies(t.Context(), uids(4, 4), func(_ imap.UID, _ int64, r io.Reader) error {
				_, err := io.Copy(io.Discard, r)
				whole = err == nil
				return nil
			})
			if whole || link.ClassOf(err) != link.Lost || err == nil {
				t.Errorf("whole: %v, error %v", whole, err)
			}
		})
	}
}

// testBinding reads from a server that is odd about one message, or all with place 0: the
// first time each is asked for, and then always.
func testBinding(t *testing.T, read func(context.Context, *Session, func(Message, func(*seen))) error, o oddity, place int) {
	for _, always := range []bool{false, true} {
		struck := map[string]bool{}
		server, truth := bindingServer(t, func(c *lab.OddConn, m *lab.OddMessage, response string) string {
			if place > 0 && m.UID != uint32(place*2) {
				return response
			}
			key := fmt.Sprint(m.UID)
			if struck[key] && !always {
				return response
			}
			struck[key] = true
			return o.odd(c, m, response)
		})
		s, err := Dial(t.Context(), server.Server(), testOptions(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Login(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
		got := map[imap.UID]seen{}
		asked := seen{}
		err = read(t.Context(), s, func(m Message, what func(*seen)) {
			one := got[m.UID]
			what(&one)
			got[m.UID] = one
			what(&asked)
		})
		if err != nil {
			t.Fatal(err)
		}
		delete(got, 77) // who asks for everything can't tell
		for uid, one := range got {
			compareSeen(t, uid, one, truth[uid], asked, always)
		}
		// What was left out once comes when it is asked for once more.
		if !always && len(got) < len(truth) && !slices.Contains([]string{"left out altogether", "one that wasn't asked for"}, o.name) {
			t.Errorf("%d messages of %d: %v", len(got), len(truth), got)
		}
	}
}

// compareSeen wants nothing told of a message that isn't so; with absent, things may be missing.
func compareSeen(t *testing.T, uid imap.UID, got, want, asked seen, absent bool) {
	t.Helper()
	differs := func(what string, g, w, nothing any, wasAsked bool) {
		if g != w && (g != nothing || wasAsked && !absent) {
			t.Errorf("UID %d has %s %v, was told %v (missing things excused: %v)", uid, what, w, g, absent)
		}
	}
	differs("flags", got.flags, want.flags, "", asked.flags != "")
	differs("date", got.date, want.date, "", asked.date != "")
	if got.size != -1 || !absent {
		differs("size", got.size, want.size, int64(0), asked.size != 0)
	}
	differs("body", got.body, want.body, "", asked.body != "")
	differs("header", got.header, want.header, "", asked.header != "")
}
