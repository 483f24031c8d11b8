package web

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"postferry/admin"
	"postferry/report/reason"
	"postferry/store"
)

// TestReasons: what the engine says of messages and folders is said in the page's language.
func TestReasons(t *testing.T) {
	repairs := reason.All(reason.Of(reason.BareLFMade), reason.Of(reason.FlagsLeft, "$a (b)"))
	tests := []struct {
		reason reason.Reason
		want   string
	}{
		{reason.Of(reason.Refused), "Der neue Server lehnt diese Nachricht ab."},
		{reason.Of(reason.RefusedRepaired, repairs), "Der neue Server lehnt diese Nachricht ab, auch nach einer Reparatur (aus einzelnen LF CRLF gemacht, Markierungen weggelassen: $a (b))."},
		{reason.Of(reason.RefusedRepaired, reason.Said("NUL (2), {{.Size}}")), "Der neue Server lehnt diese Nachricht ab, auch nach einer Reparatur (NUL (2), {{.Size}})."},
		{reason.Of(reason.TooLarge, "12 MB", "10 MB"), "Die Nachricht (12 MB) ist größer, als der neue Server annimmt (10 MB)."},
		{reason.Of(reason.Never), "nie kopiert"},
		{reason.Of(reason.Octets, 12), "12 Bytes"},
		{repairs, "aus einzelnen LF CRLF gemacht, Markierungen weggelassen: $a (b)"},
		{reason.Said("Something else."), "Something else."},
		{"reason.of_a_later_version", "reason.of_a_later_version"},
		{"", ""},
		{reason.Of(reason.NoteCalled, "a/b", "a_b"), "„a/b“ heißt auf dem neuen Server „a_b“"},
		{reason.Of(reason.NoteLeft, "Spam", reason.Of(reason.LeftByConfig, "Sp*")), "„Spam“ wird nicht kopiert: folders.skip in der Konfiguration nennt „Sp*“"},
		{reason.Of(reason.NoteShared, "Public.", 1200), "was im gemeinsamen Namensraum „Public.“ liegt, wird nicht kopiert (1.200 Ordner)"},
	}
	w := wordsIn(t, "de")
	for _, tt := range tests {
		if got := w.Reason(tt.reason); got != tt.want {
			t.Errorf("%q: %q, want %q", string(tt.reason), got, tt.want)
		}
	}
}

// unlikeThePage are reasons whose English words say something besides that the page shows elsewhere.
var unlikeThePage = []reason.Code{reason.Unlisted}

// TestTextsOfReasons: the page has a text for every reason, with nothing put in that the reason does not
// have, and no others. What is said of messages is the same in English wherever it is said.
func TestTextsOfReasons(t *testing.T) {
	english, w := textsOf(t, "en"), wordsIn(t, "en")
	value := regexp.MustCompile(`\{\{\.(\w+)\}\}`)
	for _, prefix := range []string{"reason.", "repair.", "note.", "folder_left."} {
		codes := reason.Codes(prefix)
		for _, code := range codes {
			if english[string(code)] == nil {
				t.Errorf("there is no text for %s", code)
			}
			for form, text := range english[string(code)] {
				for _, m := range value.FindAllStringSubmatch(text, -1) {
					if !slices.Contains(code.Names(), m[1]) {
						t.Errorf("%s %s puts %s in; there are %q", code, form, m[1], code.Names())
					}
				}
			}
			said := reason.Of(code, "x", "y", "z")
			if got := w.Reason(said); prefix != "note." && prefix != "folder_left." && got != said.String() && !slices.Contains(unlikeThePage, code) {
				t.Errorf("%s is %q on the page, elsewhere %q", code, got, said)
			}
		}
		for id := range english {
			if strings.HasPrefix(id, prefix) && !slices.Contains(codes, reason.Code(id)) {
				t.Errorf("%s is a text for nothing", id)
			}
		}
		if len(codes) == 0 {
			t.Errorf("there are no codes %s", prefix)
		}
	}
}

// TestSaidOfPasses: why a pass ended, and what the audit log has, are said in the page's language.
func TestSaidOfPasses(t *testing.T) {
	w := wordsIn(t, "de")
	for want, p := range map[string]admin.PassView{"Ein Server weigert sich, den Ordner X zu öffnen.": {Error: "no", Problem: admin.ProblemView{Kind: store.FolderRefused, Folder: "X"}}, "as stored": {Error: "as stored"}} {
		if got := w.PassEnded(p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for detail, want := range map[string]string{"6h0m0s → 2026-12-31T00:00:00Z": "6 Stunden → 31.12.2026, 00:00 UTC", "1m0s": "1 Minute", "?": "?"} {
		if got := w.AuditDetail(admin.AuditView{Action: "set_schedule", Detail: detail}); got != want {
			t.Errorf("%s: got %q, want %q", detail, got, want)
		}
	}
}

// TestAuditOfCredentials: which fields of how many accounts were changed.
func TestAuditOfCredentials(t *testing.T) {
	w := wordsIn(t, "de")
	for detail, want := range map[string]string{
		"":                           "",
		"3":                          "3 Konten",
		"old_password, new_login":    "Passwort am alten Server, Anmeldename am neuen Server",
		"2: new_password":            "2 Konten: Passwort am neuen Server",
		"1: what a later one writes": "1 Konto: what a later one writes",
	} {
		for _, action := range []string{"update_account", "update_accounts"} {
			if got := w.AuditDetail(admin.AuditView{Action: action, Detail: detail}); got != want {
				t.Errorf("%s %q: %q, want %q", action, detail, got, want)
			}
		}
	}
}
