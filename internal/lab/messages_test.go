package lab

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jhillyerd/enmime" // its testdata are our messages; this keeps it in go.mod
)

func TestMessagesAreWhatTheyClaim(t *testing.T) {
	byName := map[string][]byte{}
	for _, s := range Messages(t) {
		byName[s.Name] = s.Body
	}
	t.Logf("%d messages", len(byName))
	foreign := 0
	for name := range byName {
		if strings.HasPrefix(name, "enmime/") {
			foreign++
		}
	}
	if foreign < 50 {
		t.Errorf("only %d messages from the module cache", foreign)
	}
	has := func(name, part string) {
		if !bytes.Contains(byName[name], []byte(part)) {
			t.Errorf("%s lacks %q", name, part)
		}
	}
	hasNot := func(name, part string) {
		if body, ok := byName[name]; !ok || bytes.Contains(body, []byte(part)) {
			t.Errorf("%s is missing or contains %q", name, part)
		}
	}
	has("own/body-nul.eml", "\x00")
	has("own/header-8bit-latin1.eml", "\xfc")
	has("own/line-ends-cr.eml", "one\rtwo")
	has("own/line-ends-cr-crlf.eml", "\r\r\n")
	hasNot("own/line-ends-lf.eml", "\r")
	hasNot("own/no-message-id-1.eml", "Message-ID")
	hasNot("own/header-only.eml", "\r\n\r\n")
	has("own/same-message-id-1.eml", "<twice@")
	has("own/same-message-id-2.eml", "<twice@")
	has("own/long-line-body.eml", strings.Repeat("x", 1000))
	if body := byName["own/no-final-crlf.eml"]; bytes.HasSuffix(body, []byte("\n")) {
		t.Error("own/no-final-crlf.eml has one")
	}
	if body := byName["own/mbox-from-line.eml"]; !bytes.HasPrefix(body, []byte("From anna")) {
		t.Error("own/mbox-from-line.eml starts otherwise")
	}
	if n := len(byName["generated/attachment-10MB"]); n < 13<<20 {
		t.Errorf("10 MB in base64 are %d octets", n)
	}
	envelope, err := enmime.ReadEnvelope(bytes.NewReader(byName["own/mime-multipart.eml"]))
	if err != nil || len(envelope.Attachments) != 1 || !strings.Contains(envelope.Text, "Grüße aus Köln") {
		t.Errorf("own/mime-multipart.eml: %v, %d attached files, text %q", err, len(envelope.Attachments), envelope.Text)
	}
}

// What reaches a maildir as a file must come out of another server over IMAP.
func TestMessagesPassThroughDovecot(t *testing.T) {
	old := StartDovecot(t, DovecotOptions{Users: []User{{anna, "x"}}})
	new := StartDovecot(t, DovecotOptions{Format: "sdbox", Users: []User{{anna, "x"}}})
	samples := Messages(t)
	var msgs []Msg
	for _, s := range samples {
		msgs = append(msgs, s.Msg())
	}
	old.FillMaildir(anna, "INBOX", msgs)
	new.Append(anna, "INBOX", msgs...)
	before := old.Snapshot(anna).Folders["INBOX"].Messages
	after := new.Snapshot(anna).Folders["INBOX"].Messages
	if len(before) != len(samples) || len(after) != len(samples) {
		t.Fatalf("%d and %d of %d messages", len(before), len(after), len(samples))
	}
	for i, s := range samples {
		if size := int64(virtualSize(s.Body)); before[i].Size != size {
			t.Errorf("%s: %d octets instead of %d", s.Name, before[i].Size, size)
		}
		if same := before[i].Sum == after[i].Sum; same == s.Altered {
			t.Errorf("%s: came out the same: %t", s.Name, same)
		}
	}
}
