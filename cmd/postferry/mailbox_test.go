package main

import (
	"strings"
	"testing"

	"postferry/report/reason"
	"postferry/store"
	"postferry/store/bolt"
)

// TestMailboxCommand: a person says what a mailbox is of which hardly anything is known, if that is asked.
func TestMailboxCommand(t *testing.T) {
	config, state := aliasState(t)
	asked := func(kind store.ProblemKind, side store.Side) {
		t.Helper()
		st, err := bolt.Open(state, bolt.Options{Command: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		a, err := st.Account(t.Context(), "anna@a.example")
		if err != nil {
			t.Fatal(err)
		}
		if err := st.SetProblem(t.Context(), a.ID, &store.Problem{Kind: kind, Server: side, Advice: store.NeedsFix, Summary: reason.Said("s")}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		kind   store.ProblemKind
		side   store.Side
		answer string
		login  string
		status int
		said   string
	}{
		{store.LoginRefused, store.OldSide, "accept", "anna@a.example", exitUsage, "nothing is known against the mailboxes"},
		{store.OtherMailbox, store.OldSide, "again", "anna@a.example", exitUsage, "nothing is known against the mailboxes"},
		{store.OtherMailbox, store.OldSide, "accept", "nobody@a.example", exitUsage, "no such account"},
		{store.OtherMailbox, store.OldSide, "accept", "ANNA@a.example", exitOK, "accepted as it is"},
		{store.OtherMailbox, store.NewSide, "again", "anna@a.example", exitOK, "copied again"},
		{store.EmptiedMailbox, store.OldSide, "accept", "anna@a.example", exitOK, "accepted as it is"},
	}
	for _, tt := range tests {
		asked(tt.kind, tt.side)
		status, stdout, stderr := postferry(t, "", "mailbox", tt.answer, "-c", config, tt.login)
		if status != tt.status || !strings.Contains(stdout+stderr, tt.said) {
			t.Errorf("%s of the %s server, %s: status %d, want %d; it says %s%s", tt.kind, tt.side, tt.answer, status, tt.status, stdout, stderr)
		}
	}
}
