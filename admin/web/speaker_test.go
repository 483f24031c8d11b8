package web

import (
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
