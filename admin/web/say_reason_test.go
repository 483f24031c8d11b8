package web

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"postferry/admin/access"
	"postferry/report"
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

// TestProblems: what keeps an account from being copied is said in the page's language with its particulars, and
// what nothing particular is known of by its kind.
func TestProblems(t *testing.T) {
	old := reason.Of(reason.ServerOld, "imap.old.example")
	for _, tt := range []struct {
		problem report.Problem
		de, ru  string
	}{
		{report.Problem{Kind: store.CertificateName, Server: store.OldSide, Host: "imap.old.example", Summary: reason.Of(reason.TroubleName, old, "mx.example, mail.example")},
			"Das Zertifikat von imap.old.example ist auf einen anderen Namen ausgestellt: mx.example, mail.example.",
			"Сертификат imap.old.example выдан на другое имя: mx.example, mail.example."},
		{report.Problem{Kind: store.MissingFolder, Folder: "Work", Summary: reason.Of(reason.TroubleMissing, 1200)},
			"Den Ordner Work gibt es auf dem neuen Server nicht mehr. Nachrichten, die deshalb zurückbleiben: 1.200.",
			"Папки Work на новом сервере больше нет. Не переносится из-за этого писем: 1\u00a0200."},
		{report.Problem{Kind: store.SameMailbox, Summary: reason.Of(reason.TroubleSameUncertain, reason.Of(reason.AccountNamed, "anna@a.example"))},
			"Diese Anmeldung führt vielleicht in dasselbe Postfach wie das Konto anna@a.example: Beide sehen gleich aus, beweisen lässt es sich nicht. Es wird nichts dafür kopiert, bis jemand das sagt.",
			"Этот логин, возможно, ведёт в тот же ящик, что и учётная запись anna@a.example: они выглядят одинаково, но доказать этого нельзя. Для него ничего не копируется, пока кто-нибудь этого не скажет."},
		{report.Problem{Kind: store.OverQuota, Host: "new.example", Summary: reason.Of(reason.TroubleNotFitting, reason.Of(reason.Messages, 12), "new.example", reason.Of(reason.Messages, 5))},
			"Die E-Mails des Kontos (12 Nachrichten) passen nicht in sein Postfach auf dem neuen Server (new.example), dessen Kontingent 5 Nachrichten beträgt; bis das behoben ist, wird nichts kopiert.", ""},
		{report.Problem{Kind: store.LoginRefused, Server: store.OldSide, Host: "o.example", Summary: reason.Of(reason.TroubleLogin, old, reason.Of(reason.ServerSays, "no"))},
			"Der alte Server (o.example) lehnt Anmeldename oder Passwort ab.", "Старый сервер (o.example) не принимает логин или пароль."},
		// Rows of earlier versions have the sentence, and maybe neither kind nor host nor folder.
		{report.Problem{Summary: reason.StoredProblem("The certificate of the old server (imap.old.example) is made out to another name: mx.example. Put the name that it has into the domain's settings if it is the same server, or accept its authority or its fingerprint in the domain's settings.")},
			"Das Zertifikat von imap.old.example ist auf einen anderen Namen ausgestellt: mx.example.", ""},
		{report.Problem{Summary: reason.Of(reason.TroubleMissingOne)}, reason.Of(reason.TroubleMissingOne).String(), reason.Of(reason.TroubleMissingOne).String()},
		{report.Problem{Kind: "of_a_later_version", Summary: reason.Said("As it came.")}, "As it came.", "As it came."},
		{report.Problem{Summary: reason.Of(reason.TroubleVanished)}, "The folder vanished from the new server while it was being filled.", ""},
	} {
		for language, want := range map[string]string{"de": tt.de, "ru": tt.ru} {
			if got := wordsIn(t, language).Problem(&tt.problem); want != "" && got != want {
				t.Errorf("%s\n got %s\nwant %s", language, got, want)
			}
		}
	}
}

// TestTextsOfTroubles: the page's texts of problems are about codes that there are, with nothing put in that is
// not known; and a problem of this kind has some text or other.
func TestTextsOfTroubles(t *testing.T) {
	english := textsOf(t, "en")
	value := regexp.MustCompile(`\{\{\.(\w+)\}\}`)
	codes, found := append(reason.Codes("trouble."), reason.Codes("whose.")...), 0
	for id, forms := range english {
		if !strings.HasPrefix(id, "trouble.") && !strings.HasPrefix(id, "whose.") {
			continue
		}
		found++
		if !slices.Contains(codes, reason.Code(id)) {
			t.Errorf("%s is a text for nothing", id)
		}
		names := append(reason.Code(id).Names(), "Host", "Folder")
		for _, text := range forms {
			for _, m := range value.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(names, m[1]) {
					t.Errorf("%s puts %s in; there are %q", id, m[1], names)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("%d texts were found", found)
	}
}

// TestSaidOfPasses: why a pass ended, and what the audit log has, are said in the page's language.
func TestSaidOfPasses(t *testing.T) {
	w := wordsIn(t, "de")
	for want, p := range map[string]report.Pass{"Ein Server weigert sich, den Ordner X zu öffnen.": {Error: "no", Problem: report.Problem{Kind: store.FolderRefused, Folder: "X"}}, "as stored": {Error: "as stored"},
		"Das Zertifikat von o.example ist selbst signiert: Niemand bürgt dafür.": {Error: reason.Of(reason.TroubleSelfSigned, reason.Of(reason.ServerOld, "o.example"))},
		reason.Of(reason.TroubleMissing, 3).String():                             {Error: reason.Of(reason.TroubleMissing, 3)}} {
		if got := w.PassEnded(p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for detail, want := range map[string]string{"6h0m0s → 2026-12-31T00:00:00Z": "6 Stunden → 31.12.2026, 00:00 UTC", "1m0s": "1 Minute", "?": "?"} {
		if got := w.AuditDetail(access.AuditView{Action: "set_schedule", Detail: detail}); got != want {
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
			if got := w.AuditDetail(access.AuditView{Action: action, Detail: detail}); got != want {
				t.Errorf("%s %q: %q, want %q", action, detail, got, want)
			}
		}
	}
}
