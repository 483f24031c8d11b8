package reader

import (
	"testing"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

func TestSoonOver(t *testing.T) {
	const most = portionsAhead * bodyOctets
	for _, c := range []struct {
		messages     uint32
		came, octets uint64
		want         bool
	}{
		{1, 1, 0, true}, {1, 1, most, true}, {2, 1, most, true}, {3, 1, most, false}, {2000, 100, 100 << 10, true},
		{2000, 100, 100 << 20, false}, {2000, 1980, 1980 << 20, false}, {2000, 1984, 1984 << 20, true}, {5, 7, 7 << 30, true},
	} {
		f := &recovery.Folder{Selected: &session.SourceFolder{Selected: upstream.Selected{Messages: c.messages}}}
		r := &Reader{Work: &job.Work{Job: job.Job{Folder: f}}}
		if got := r.soonOver(c.came, c.octets); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
