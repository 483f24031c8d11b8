package transfer

import (
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/recovery"
	"postferry/syncer/transfer/job"
)

// TestOpenWith: what comes first is listed along with the opening of a folder.
func TestOpenWith(t *testing.T) {
	for name, tt := range map[string]struct {
		next   imap.UID
		early  int
		filled bool
		want   string
	}{
		"a pass":                    {0, 0, false, "1:2000"},
		"a visit of a large folder": {20_001, 0, false, "19801:20000"},
		"with few UIDs":             {101, 0, false, "1:100"},
		"asked for without a list":  {20_001, 10, false, "1:2000"},
		"of one that was filled":    {20_001, 0, true, "1:2000"},
	} {
		p := &pull{Work: job.Work{Job: job.Job{Folder: &recovery.Folder{}}}}
		p.Visiting.Window, p.Visiting.Next, p.Early = 200, tt.next, tt.early
		if tt.filled {
			p.Row.Checkpoint.Checked = time.Unix(1, 0)
		}
		if got := p.openWith().String(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
