package syncer

import (
	"strings"
	"testing"

	"postferry/upstream/link"
)

// A folder that can't be made at all leaves its mail behind: the pass must not
// be called complete, and the other folders go on.
func TestFolderThatCannotBeMade(t *testing.T) {
	r := newRig(t)
	r.pair.old.add("Akten%")
	r.pair.new.fail(func(op string) error {
		if op == "+CREATE" {
			return &link.Error{Op: "CREATE", Class: link.Refused, Text: "Permission denied"}
		}
		return nil
	})
	r.start(false)
	results, err := r.engine.Sync(t.Context(), nil, nil)
	if err != nil || len(results) != 1 {
		t.Fatalf("%v, %+v", err, results)
	}
	got := results[0]
	if got.Pass.Complete || got.Problem == nil || got.Problem.Folder != "Akten%" || !strings.Contains(got.Problem.Summary.String(), "refuses") {
		t.Errorf("pass %+v, problem %+v", got.Pass, got.Problem)
	}
}
