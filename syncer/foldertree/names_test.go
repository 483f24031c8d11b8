package foldertree

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"postferry/upstream"
	"postferry/wire"
)

func TestLocate(t *testing.T) {
	dovecot := upstream.Namespace{Delim: '/', Others: []string{"shared/", "Public/Lists/"}}
	courier := upstream.Namespace{Prefix: "INBOX.", Delim: '.', Others: []string{"#shared.", "shared."}}
	cyrus := upstream.Namespace{Prefix: "INBOX.", Delim: '.', Others: []string{"user.", ""}}
	nested := upstream.Namespace{Prefix: "mail/", Delim: '/', Others: []string{"", "mail/shared/"}}
	tests := []struct {
		name    string
		ns      upstream.Namespace
		delim   byte
		title   string   // "" if it is not personal
		raw     []string // of the folder and those above it
		foreign string
	}{
		{"INBOX", dovecot, '/', "INBOX", []string{"INBOX"}, ""},
		{"Inbox", courier, '.', "INBOX", []string{"INBOX"}, ""},
		{"a/b c/d", dovecot, '/', "a/b c/d", []string{"a", "a/b c", "a/b c/d"}, ""},
		{"a.b", dovecot, '/', "a.b", []string{"a.b"}, ""},
		{"INBOX/x", dovecot, '/', "INBOX/x", []string{"INBOX", "INBOX/x"}, ""},
		{"inbox/x", dovecot, '/', "inbox/x", []string{"INBOX", "inbox/x"}, ""},
		{"Inboxes/x", dovecot, '/', "Inboxes/x", []string{"Inboxes", "Inboxes/x"}, ""},
		{"shared/anna/x", dovecot, '/', "", nil, "shared/"},
		{"shared", dovecot, '/', "", nil, "shared/"},
		{"sharedstuff", dovecot, '/', "sharedstuff", []string{"sharedstuff"}, ""},
		{"Public", dovecot, '/', "Public", []string{"Public"}, ""},
		{"Public/Lists/go", dovecot, '/', "", nil, "Public/Lists/"},
		{"INBOX.Sent", courier, '.', "Sent", []string{"INBOX.Sent"}, ""},
		{"Inbox.Sent.2019", courier, '.', "Sent/2019", []string{"Inbox.Sent", "Inbox.Sent.2019"}, ""},
		{"INBOX.INBOX", courier, '.', "INBOX", []string{"INBOX.INBOX"}, ""},
		{"#shared.x", courier, '.', "", nil, "#shared."},
		{"Loose.x", courier, '.', "Loose/x", []string{"Loose", "Loose.x"}, ""},
		{"INBOX.a", cyrus, '.', "a", []string{"INBOX.a"}, ""},
		{"user.anna", cyrus, '.', "", nil, "user."},
		{"bulletins.go", cyrus, '.', "", nil, ""},
		{"mail/x", nested, '/', "x", []string{"mail/x"}, ""},
		{"mail/shared/x", nested, '/', "", nil, "mail/shared/"},
		{"other", nested, '/', "", nil, ""},
		{"a/b", upstream.Namespace{}, 0, "a/b", []string{"a/b"}, ""},
		{"dir/", dovecot, '/', "dir", []string{"dir/"}, ""},
		{"a//b", dovecot, '/', "a//b", []string{"a", "a/", "a//b"}, ""},
		{"Entw&APw-rfe.&U,BTFw-", upstream.Namespace{Delim: '.'}, '.', "Entwürfe/台北", []string{"Entw&APw-rfe", "Entw&APw-rfe.&U,BTFw-"}, ""},
	}
	for _, tt := range tests {
		p, foreign, personal := Locate(tt.name, tt.delim, tt.ns)
		if personal != (tt.title != "") || foreign != tt.foreign {
			t.Errorf("%q: personal %v, foreign %q", tt.name, personal, foreign)
			continue
		}
		if personal && (p.Title() != tt.title || !slices.Equal(p.raw, tt.raw)) {
			t.Errorf("%q: got %q %q, want %q %q", tt.name, p.Title(), p.raw, tt.title, tt.raw)
		}
	}
}

func TestDecodeName(t *testing.T) {
	tests := map[string]string{
		"plain":                    "plain",
		"Tom &- Jerry":             "Tom & Jerry",
		"Entw&APw-rfe":             "Entwürfe",
		"&BB4EQgQ,BEAEMAQyBDsENQ-": "Отправле",
		"Entw\xc3\xbcrfe":          "Entwürfe",        // UTF-8, as it is in RFC 9051
		"Entw\xfcrfe":              "Entwürfe",        // Latin-1
		"Entwu\u0308rfe":           "Entwürfe",        // NFD
		"Entw&AHUDCA-rfe":          "Entw&AHUDCA-rfe", // not well-formed: "u" stands for itself
		"&2D3eAA-":                 "😀",
		"a & b":                    "a & b",
	}
	for raw, want := range tests {
		if got := DecodeName(raw); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

func TestLegalPart(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		part  string
		delim byte
		first bool
		want  string
	}{
		{"Sent Items", '/', true, "Sent Items"},
		{"a/b", '/', false, "a_b"},
		{"a/b", '.', false, "a/b"},
		{"Dr. No", '.', false, "Dr_ No"},
		{"Dr. No", '/', false, "Dr. No"},
		{"a_b", '_', false, "a-b"},
		{"a/b", 0, true, "a/b"},
		{`C:\mail`, '\\', true, "C:_mail"},
		{"tab\there\x00\x7f\u0085", '/', true, "tab_here___"},
		{"line\u2028end", '/', true, "line_end"},
		{" both ", '/', true, "_both_"},
		{"\u00a0nbsp", '/', true, "_nbsp"},
		{"   ", '/', true, "___"},
		{"", '/', false, "_"},
		{".", '/', false, "_"},
		{"..", '/', true, "__"},
		{"...", '/', true, "..."},
		{".hidden", '/', true, ".hidden"},
		{"~anna", '/', true, "_anna"},
		{"~anna", '/', false, "~anna"},
		{"#news", '/', true, "_news"},
		{`with "quotes" & \`, '/', true, `with "quotes" & \`},
		{"100%*", '/', true, "100%*"},
		{"送信済み", '/', true, "送信済み"},
		{long, '/', true, long[:195] + "_" + ShortHash(long)},
	}
	for _, tt := range tests {
		got := legalPart(tt.part, tt.delim, tt.first)
		if got != tt.want {
			t.Errorf("%q with %q: got %q, want %q", tt.part, tt.delim, got, tt.want)
		}
		if again := legalPart(got, tt.delim, tt.first); again != got {
			t.Errorf("%q is not left as it is: %q", got, again)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"INBOX.Sent", "Inbox/x", "a//b/", " ~&- ", "&BB4EQg-", "\xff\xfe", "..", strings.Repeat("ü", 120), "&2D3eAA-/&AAA-"} {
		f.Add(s, "INBOX.", "shared/", byte('/'), byte('.'))
		f.Add(s, "", "", byte('.'), byte('/'))
		f.Add(s, "", "#", byte(0), byte('_'))
	}
	f.Fuzz(func(t *testing.T, name, prefix, other string, oldDelim, newDelim byte) {
		if oldDelim >= utf8.RuneSelf || newDelim >= utf8.RuneSelf {
			return
		}
		ns := upstream.Namespace{Prefix: prefix, Delim: oldDelim, Others: []string{other}}
		p, _, personal := Locate(name, oldDelim, ns)
		if !personal {
			return
		}
		if len(p.parts) == 0 || len(p.parts) != len(p.raw) || CanonicalName(name) != p.name() {
			t.Fatalf("%q: %q", name, p)
		}
		for i, part := range p.parts {
			checkPart(t, part, legalPart(part, newDelim, i == 0), newDelim)
		}
	})
}

func checkPart(t *testing.T, part, legal string, delim byte) {
	bad := func(r rune) bool { return unicode.IsControl(r) || delim != 0 && r == rune(delim) }
	raw := wire.EncodeMailbox(legal)
	switch {
	case legal == "" || legal == "." || legal == "..",
		strings.ContainsFunc(legal, bad),
		strings.TrimSpace(legal) != legal,
		len(raw) > maxPart:
		t.Errorf("%q became %q (%q)", part, legal, raw)
	case DecodeName(raw) != norm.NFC.String(legal):
		t.Errorf("%q is read as %q", raw, DecodeName(raw))
	}
}
