package syncer

import (
	"testing"
	"time"

	"postferry/internal/lab"
)

// TestFirstFigures: while an old server takes long to list its folders, the messages
// of INBOX are shown already.
func TestFirstFigures(t *testing.T) {
	listed := make(chan struct{})
	r := newOddRig(t, lab.OddOptions{Listing: func() { <-listed }}, lab.OddOptions{})
	r.start(false)
	done := make(chan Result, 1)
	go func() { done <- r.sync() }()
	deadline := time.After(20 * time.Second)
	for shown := uint64(0); shown == 0; {
		live, err := r.engine.Live(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range live {
			shown = l.Total
		}
		select {
		case <-deadline:
			t.Fatal("nothing was shown")
		case <-time.After(20 * time.Millisecond):
		}
		if shown > 0 && shown != uint64(oddFolders["INBOX"]) {
			t.Errorf("%d messages were shown", shown)
		}
	}
	close(listed)
	if res := <-done; res.Problem != nil || !res.Pass.Complete {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
	r.arrived(nil)
}
