package stage

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

// throughRow is a message that was kept in a row, and the row.
func throughRow(t *testing.T, m Message) (back Message, row string) {
	t.Helper()
	text, err := json.Marshal(m.Kept())
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back.Restored(), string(text)
}

// TestKept: a message comes out of a row as it went in, and none of its sentences is in there.
func TestKept(t *testing.T) {
	late := store.LateMail{Messages: 3, Last: now, From: [3]store.LateServer{{Name: "mx.example", Messages: 3}}}
	quiet := settled()
	quiet.Move.Names.MX = ago(time.Hour)
	quiet.addLate(late)
	refused := &store.Problem{Kind: store.LoginRefused, Server: store.OldSide, Host: "imap.old.example", Summary: reason.Of(reason.TroubleLogin, reason.Of(reason.ServerOld, "imap.old.example"), "")}
	_, grade := GradeOf(&store.Overview{Account: store.Account{Problem: refused}, Summary: store.Summary{Quarantined: 2, LeftOut: 5}}, now)
	back := Facts{Now: now, WayBack: &store.WayBackSum{Copied: 12, Troubled: 2, Trouble: reason.Of(reason.BackAllMail)}}
	messages := append(grade, Assess(quiet).Verdict, quiet.late().Text, *back.wayBack(), NotLooked(now), NotLooked(time.Time{}),
		say(codeUnverified, "unverified", 3, "accounts", 4, "within", Span(86400)), with(codeNotYet, "because", quiet.quiet().Why))
	for _, m := range messages {
		got, row := throughRow(t, m)
		if got.Text != m.Text || !reflect.DeepEqual(told(t, got), told(t, m)) {
			t.Errorf("got %+v\nwant %+v", got, m)
		}
		for name, value := range m.Args {
			switch value.(type) {
			case Span, time.Time, Problem, reason.Reason:
				if !reflect.DeepEqual(got.Args[name], value) {
					t.Errorf("%s: %s is %#v, want %#v", m.Code, name, got.Args[name], value)
				}
			}
		}
		if strings.Contains(row, " ") {
			t.Errorf("a row has a sentence: %s", row)
		}
	}
}

// told is a message as programs are told it.
func told(t *testing.T, m Message) (all map[string]any) {
	t.Helper()
	text, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRestored: rows of earlier versions have sentences; what they say is found again.
func TestRestored(t *testing.T) {
	login := "The old server (imap.old.example) can't be reached. It is tried again by itself; check that it runs and that its address is right."
	for row, want := range map[string]Message{
		`{"code":"grade_problem","args":{"problem":"` + login + `"},"text":"` + login + `"}`: {Code: codeGradeProblem,
			Args: map[string]any{"problem": Problem{Summary: reason.Of(reason.TroubleUnreachable, reason.Of(reason.ServerOld, "imap.old.example"))}}, Text: login},
		`{"code":"grade_problem","args":{"problem":"It is odd."},"text":"It is odd."}`: {Code: codeGradeProblem, Args: map[string]any{"problem": Problem{Summary: reason.Said("It is odd.")}}, Text: "It is odd."},
		`{"code":"grade_quarantined","args":{"messages":3},"text":"as it was said then: 3"}`: {Code: codeGradeQuarantined, Args: map[string]any{"messages": uint64(3)},
			Text: "messages that one of the servers refuses: 3"},
		`{"code":"unverified","args":{"unverified":1,"accounts":2,"within":86400},"text":"x"}`: {Code: codeUnverified, Args: map[string]any{"unverified": uint64(1), "accounts": uint64(2), "within": Span(86400)},
			Text: "Accounts still to be verified (after their last mail, and within the last 24 hours): 1 of 2."},
		`{"code":"of_another_version","args":{"n":1.5},"text":"As it was."}`: {Code: "of_another_version", Args: map[string]any{"n": 1.5}, Text: "As it was."},
		`{"code":"of_another_version","args":{}}`:                            {Code: "of_another_version", Args: map[string]any{}, Text: "of_another_version"},
	} {
		var kept Message
		if err := json.Unmarshal([]byte(row), &kept); err != nil {
			t.Fatal(err)
		}
		if got := kept.Restored(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		if again, _ := throughRow(t, want); !reflect.DeepEqual(again, want) {
			t.Errorf("got %+v\nwant %+v", again, want)
		}
	}
}
