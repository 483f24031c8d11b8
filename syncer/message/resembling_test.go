package message

import (
	"context"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestResembling: what one server makes of a message is recognised as its copy although the
// fingerprint is another one, and nothing else is.
func TestResembling(t *testing.T) {
	const (
		anon    = "Subject: a\r\nDate: Tue, 3 Mar 2020 09:15:00 +0100\r\n\r\nbody"
		header  = "Subject: Gr\xfc\xdfe\r\nMessage-ID: <a@example.com>\r\nDate: Tue, 3 Mar 2020 09:15:00 +0100\r\n\r\n"
		noField = "// no field"
	)
	tests := []struct {
		name, old, new string
		fields         string // what the new server tells of the header; "" for all of it
		same           bool
	}{
		{"a line end added, no Message-ID", anon, anon + "\r\n", "", true},
		{"a line end taken away", anon + "\r\n", anon, "", true},
		{"line ends counted as one octet", anon + "\r\n" + strings.Repeat("text\r\n", 3), strings.ReplaceAll(anon+"\r\n"+strings.Repeat("text\r\n", 3), "\r\n", "\n"), "", false}, // 7 of 86 octets
		{"the same in a longer one", anon + strings.Repeat("a line of usual length, thirty\r\n", 20), strings.ReplaceAll(anon+strings.Repeat("a line of usual length, thirty\r\n", 20), "\r\n", "\n"), "", true},
		{"no field at all", noField, noField + "\r\n", "", true},
		{"no field at all, other text", noField, "// no firld\r\n", "", false},
		{"octets above 127 rewritten", header + "body\r\n", strings.ReplaceAll(strings.ReplaceAll(header, "\xfc", "X"), "\xdf", "X") + "body\r\n", "", true},
		{"the same, other text", header + "body\r\n", strings.ReplaceAll(strings.ReplaceAll(header, "\xfc", "X"), "\xdf", "X") + "bodi\r\n", "", false},
		{"octets above 127 in the text rewritten", header + "b\xe4dy\r\n", strings.ReplaceAll(strings.ReplaceAll(header, "\xfc", "X"), "\xdf", "X") + "bXdy\r\n", "", false},
		{"fields not found", "Subject : a\r\nMessage-ID : <a@example.com>\r\n\r\nbody\r\n", "Subject : a\r\nMessage-ID : <a@example.com>\r\n\r\nbody\r\n", "\r\n", true},
		{"fields not found, another subject", "Subject : a\r\nMessage-ID : <a@example.com>\r\n\r\nbody\r\n", "Subject : b\r\nMessage-ID : <a@example.com>\r\n\r\nbody\r\n", "\r\n", false},
		{"another date, no Message-ID", anon, strings.Replace(anon, "09:15", "09:16", 1) + "\r\n", "", false},
		{"another subject, no Message-ID", anon, strings.Replace(anon, "Subject: a", "Subject: b", 1) + "\r\n", "", false},
		{"a field added", anon, "X-Added: a\r\n" + anon, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := Wanted{Fingerprint: Fingerprint([]byte(tt.old), int64(len(tt.old))), Size: int64(len(tt.old))}
			told := tt.fields
			if told == "" {
				told = tt.new
			}
			size := int64(len(tt.new))
			c := Candidate{Fingerprint: Fingerprint([]byte(told), size), Size: size, UID: 1, Date: DateMarkOf([]byte(told))}
			found, err := NewCandidates([]Candidate{c}).TakeProved(t.Context(), []Wanted{w}, evidenceOf([]string{tt.old}, []string{tt.new}))
			if same := found[0].UID == 1; err != nil || same != tt.same {
				t.Errorf("recognised %t, want %t (%v)", same, tt.same, err)
			}
		})
	}
}

// TestResemblingIsBounded: where no date tells messages from one another, no more than so many
// are read.
func TestResemblingIsBounded(t *testing.T) {
	const n = 3 * resemblingMost
	want, have := make([]Wanted, n), make([]Candidate, n)
	for i := range n {
		want[i] = Wanted{Fingerprint: Fingerprint([]byte("Message-ID: old"+strings.Repeat("a", i)), 0), Size: int64(100 * i)}
		have[i] = Candidate{Fingerprint: Fingerprint([]byte("Message-ID: new"+strings.Repeat("a", i)), 0), Size: int64(100 * i), UID: imap.UID(i + 1)}
	}
	asked := 0
	_, err := NewCandidates(have).TakeProved(t.Context(), want, CopyEvidence{
		Old: func(_ context.Context, places []int) (map[int]Content, error) {
			asked = len(places)
			return map[int]Content{}, nil
		},
		Fresh: func(_ context.Context, uids []imap.UID) (map[imap.UID]Content, error) {
			if len(uids) > resemblingMost {
				t.Errorf("%d messages of the new server are read", len(uids))
			}
			return map[imap.UID]Content{}, nil
		},
	})
	if err != nil || asked != resemblingMost {
		t.Errorf("%d messages are read, want %d (%v)", asked, resemblingMost, err)
	}
}

// TestSameFingerprint: of messages without a Message-ID that have the same fingerprint each gets
// its own copy, also where some of the copies are not there.
func TestSameFingerprint(t *testing.T) {
	const cron = "From: cron@example.com\r\nSubject: disk\r\nDate: Tue, 3 Mar 2020 09:15:00 +0100\r\n\r\n"
	tests := map[string]struct {
		old, new []string
		uids     []imap.UID // of the copies of old, counted from 1; 0 for none
	}{
		"the first is not there":      {[]string{cron + "a\r\n", cron + "b\r\n", cron + "c\r\n"}, []string{cron + "b\r\n", cron + "c\r\n"}, []imap.UID{0, 1, 2}},
		"the middle one is not there": {[]string{cron + "a\r\n", cron + "b\r\n", cron + "c\r\n"}, []string{cron + "a\r\n", cron + "c\r\n"}, []imap.UID{1, 0, 2}},
		"in another order":            {[]string{cron + "a\r\n", cron + "b\r\n"}, []string{cron + "b\r\n", cron + "a\r\n"}, []imap.UID{2, 1}},
		"identical ones":              {[]string{cron + "a\r\n", cron + "a\r\n", cron + "a\r\n"}, []string{cron + "a\r\n", cron + "a\r\n"}, []imap.UID{1, 2, 0}},
		"no field, another message":   {[]string{"X-A: 1\r\n\r\n"}, []string{"X-B: 1\r\n\r\n"}, []imap.UID{0}},
		"no field, its copy":          {[]string{"X-A: 1\r\n\r\n", "X-B: 1\r\n\r\n"}, []string{"X-B: 1\r\n\r\n"}, []imap.UID{0, 1}},
		"no text, other fields":       {[]string{"X-A: 1\r\n\r\n", "X-A: 2\r\n\r\n"}, []string{"X-A: 2\r\n\r\n"}, []imap.UID{0, 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var want []Wanted
			var have []Candidate
			for _, m := range tt.old {
				want = append(want, Wanted{Fingerprint([]byte(m), int64(len(m))), int64(len(m))})
			}
			for i, m := range tt.new {
				have = append(have, Candidate{Fingerprint([]byte(m), int64(len(m))), int64(len(m)), imap.UID(i + 1), DateMarkOf([]byte(m))})
			}
			found, err := NewCandidates(have).TakeProved(t.Context(), want, evidenceOf(tt.old, tt.new))
			for i, c := range found {
				if err != nil || c.UID != tt.uids[i] {
					t.Errorf("message %d has the copy %d, want %d (%v)", i, c.UID, tt.uids[i], err)
				}
			}
		})
	}
}

// evidenceOf reads messages; those of the new server have UIDs from 1 on.
func evidenceOf(old, fresh []string) CopyEvidence {
	return CopyEvidence{
		Old: func(_ context.Context, places []int) (map[int]Content, error) {
			found := map[int]Content{}
			for _, i := range places {
				found[i], _ = ReadContent(strings.NewReader(old[i]))
			}
			return found, nil
		},
		Fresh: func(_ context.Context, uids []imap.UID) (map[imap.UID]Content, error) {
			found := map[imap.UID]Content{}
			for _, uid := range uids {
				found[uid], _ = ReadContent(strings.NewReader(fresh[uid-1]))
			}
			return found, nil
		},
	}
}
