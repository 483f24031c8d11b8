package web

import (
	"html"
	"strings"
	"testing"
	"time"

	"postferry/report/reason"
	"postferry/stage"
	"postferry/store"
)

// TestSpeaker: what people are told outside of pages is plain text in their languages, with nothing left to put in.
func TestSpeaker(t *testing.T) {
	s, err := NewSpeaker()
	if err != nil {
		t.Fatal(err)
	}
	last := time.Date(2026, 11, 2, 12, 0, 0, 0, time.Local)
	late := stage.Message{Code: "late", Args: map[string]any{"messages": uint64(1234), "last": last, "servers": "mx.example <1>"}, Text: "Late."}
	waiting := stage.Message{Code: "not_yet", Args: map[string]any{"because": "Late"}, Parts: map[string]stage.Message{"because": late}, Text: "Not yet."}
	full := &store.Problem{Kind: store.OverQuota, Server: store.NewSide, Host: "imap.new.example", Summary: reason.Said("It is full."), Advice: store.NeedsFix}
	for language, want := range map[string][]string{
		"en": {"example.com: everything has been copied", "1,234", "not yet, because", "It is about 2 accounts: a, b"},
		"de": {"example.com: Alles ist übertragen", "1.234", "noch nicht, denn", "Es geht um 2 Konten: a, b"},
		"ru": {"example.com: всё скопировано", "1\u00a0234", "Это касается 2 ящиков: a, b"},
		"xx": {"everything has been copied"},
	} {
		v := s.In(language)
		what, advice := v.Problem(full)
		said := strings.Join([]string{v.Text("notify.subject_copied", "Domain", "example.com"), v.Say(waiting), what, advice,
			v.Text("notify.accounts", "Count", 2, "Names", "a, b"), v.Say(stage.Message{Code: "unknown there", Text: "As it is."})}, "\n")
		for _, part := range append(want, "mx.example <1>", "12:00", "As it is.") {
			if !strings.Contains(said, part) {
				t.Errorf("%s: %q is not in\n%s", language, part, said)
			}
		}
		if strings.Contains(said, "{{") || strings.Contains(said, "<time") || strings.Contains(said, "notify.") || what == "" || advice == "" {
			t.Errorf("%s:\n%s", language, said)
		}
	}
}

// TestWhyIsTranslated: what keeps an account from being copied, or mail from going back, is said in the reader's language within
// what is said of a move, on pages as well.
func TestWhyIsTranslated(t *testing.T) {
	s, err := NewSpeaker()
	if err != nil {
		t.Fatal(err)
	}
	problem := stage.Problem{Kind: store.Unreachable, Server: store.OldSide, Host: "imap.old.example", Summary: reason.Of(reason.TroubleUnreachable, reason.Of(reason.ServerOld, "imap.old.example"))}
	silent := stage.Message{Code: "grade_problem", Args: map[string]any{"problem": problem}, Text: "English."}
	odd := stage.Message{Code: "grade_problem", Args: map[string]any{"problem": stage.Problem{Summary: reason.Said("It is <odd>.")}}, Text: "English."}
	back := stage.Message{Code: "way_back_trouble", Args: map[string]any{"folders": 2, "messages": 12, "trouble": reason.Of(reason.BackFull)}, Text: "English."}
	for language, want := range map[string][3]string{
		"en": {"The old server (imap.old.example) can't be reached.", "It is <odd>.", ": the old mailbox is full. "},
		"de": {"Der alte Server (imap.old.example) ist nicht erreichbar.", "It is <odd>.", ": das alte Postfach ist voll. "},
		"ru": {"imap.old.example", "It is <odd>.", ": старый ящик полон. "},
	} {
		v := s.In(language)
		for i, m := range []stage.Message{silent, odd, back} {
			for where, said := range map[string]string{"plain": v.Say(m), "page": html.UnescapeString(string(v.words.Say(m)))} {
				if !strings.Contains(said, want[i]) || language == "ru" && strings.Contains(said, "reached") {
					t.Errorf("%s, %s: %q is not in %q", language, where, want[i], said)
				}
			}
		}
		if strings.Contains(string(v.words.Say(odd)), "<odd>") {
			t.Errorf("%s: not escaped: %s", language, v.words.Say(odd))
		}
	}
}
