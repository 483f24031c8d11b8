package syncer

import (
	"strings"
	"testing"

	"postferry/upstream"
)

// A folder that can't be made at all leaves its mail behind: the pass must not
// be called complete, and the other folders go on.
func TestFolderThatCannotBeMade(t *testing.T) {
	r := newRig(t)
	r.pair.old.add("Akten%")
	r.pair.new.fault = func(op string) error {
		if op == "+CREATE" {
			return &upstream.Error{Op: "CREATE", Class: upstream.Refused, Text: "Permission denied"}
		}
		return nil
	}
	r.start(false)
	results, err := r.engine.Sync(t.Context(), nil, nil)
	if err != nil || len(results) != 1 {
		t.Fatalf("%v, %+v", err, results)
	}
	got := results[0]
	if got.Pass.Complete || got.Problem == nil || got.Problem.Folder != "Akten%" || !strings.Contains(got.Problem.Summary, "refuses") {
		t.Errorf("pass %+v, problem %+v", got.Pass, got.Problem)
	}
}

func TestPlainName(t *testing.T) {
	taken := map[string]bool{foldedKey("INBOX.taken_"): true}
	for name, want := range map[string]string{
		"INBOX.a%.b|c":     "INBOX.a%.b_c",
		"INBOX.B&APw-ro":   "INBOX.B&APw-ro",
		"INBOX.&2D3eAA- x": "INBOX._ x",
		"INBOX.a&-b":       "INBOX.a&-b",
	} {
		if got := plainName(name, '.', taken); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	first := plainName("INBOX.Taken%", '.', taken)
	if first == "INBOX.Taken_" || first != plainName("INBOX.Taken%", '.', taken) {
		t.Errorf("got %s", first)
	}
}
