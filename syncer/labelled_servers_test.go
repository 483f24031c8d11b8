package syncer

import (
	"fmt"
	"hash/fnv"
	"strings"
	"sync/atomic"
	"testing"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
)

// oddGmail is a server over a real connection that tells ids and labels, in what is odd of it.
// bodies counts the octets of bodies that were asked for.
func oddGmail(bodies *atomic.Int64) lab.OddOptions {
	return lab.OddOptions{Lies: "X-GM-EXT-1", Fetch: func(c *lab.OddConn, m *lab.OddMessage, response string) string {
		if strings.Contains(strings.Join(c.Args, " "), "BODY.PEEK[]") {
			bodies.Add(int64(len(m.Body)))
		}
		if !strings.Contains(strings.Join(c.Args, " "), "X-GM-MSGID") {
			return response
		}
		id := fnv.New64a()
		_, _ = id.Write([]byte(m.Body))
		return strings.Replace(response, "(UID", fmt.Sprintf(`(X-GM-MSGID %d X-GM-LABELS ("\\Inbox" "Work") UID`, id.Sum64()), 1)
	}}
}

// oddGmailRig is a rig of such a server.
type oddGmailRig struct {
	*oddRig
	bodies atomic.Int64 // octets that were downloaded
}

// newOddGmailRig has the messages of INBOX in Work as well, with others between them, and some of them in Archive.
func newOddGmailRig(t *testing.T, new lab.OddOptions) *oddGmailRig {
	t.Helper()
	r := &oddGmailRig{}
	r.oddRig = newOddRigWith(t, oddGmail(&r.bodies), new, map[string]int{"INBOX": 60, "Archive": 0, "Work": 0})
	for i := range 60 {
		r.old.Deliver("Work", oddMail("INBOX", i+1), oddDay(i), oddFlags(i)...)
		if i%3 == 0 {
			r.old.Deliver("Work", oddMail("Work", i+1), oddDay(i), oddFlags(i)...)
		}
		if i%4 == 0 {
			r.old.Deliver("Archive", oddMail("INBOX", i+1), oddDay(i), oddFlags(i)...)
		}
	}
	return r
}

// labelledTotal is how many messages there are in all its folders, and labelledApart of them those that are different.
const labelledTotal, labelledApart = 60 + 80 + 15, 60 + 20

// TestLabelledVerified: over real connections each body is asked for once, and the octets that are downloaded show it; in the
// end both sides are the same, as verify finds.
func TestLabelledVerified(t *testing.T) {
	t.Parallel()
	r := newOddGmailRig(t, lab.OddOptions{})
	r.start(false)
	r.complete(labelledTotal)
	if n := r.old.Count("UID FETCH"); n > 40 {
		t.Errorf("%d times FETCH", n)
	}
	r.arrived(nil)
	want := r.apart()
	if got := r.bodies.Load(); got != want {
		t.Errorf("%d octets were downloaded, want %d", got, want)
	}
	if n := r.new.Count("APPEND"); n > labelledApart {
		t.Errorf("%d times APPEND", n)
	}
	if found, account := r.verify(true); len(found) > 0 || account.Worst != report.Harmless || account.Same != labelledTotal {
		t.Errorf("%+v: %+v", account, found)
	}
}

// apart is how many octets those of the messages have that are different.
func (r *oddGmailRig) apart() (octets int64) {
	for _, name := range []string{"INBOX", "Work"} {
		for _, m := range r.old.Messages(name) {
			if name == "INBOX" || strings.Contains(m.Body, "of Work;") {
				octets += int64(len(m.Body))
			}
		}
	}
	return octets
}

// TestLabelledFull: a COPY that does not fit is told as an APPEND is, and with more room all is there, once.
func TestLabelledFull(t *testing.T) {
	t.Parallel()
	r := newOddGmailRig(t, lab.OddOptions{Caps: lab.OddCaps + " QUOTA", Quota: 150_000})
	r.start(false)
	if res := r.sync(); res.Problem == nil || res.Problem.Kind != store.OverQuota {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	r.new.Change(func(opt *lab.OddOptions) { opt.Quota = 10 << 20 })
	if res := r.sync(); res.Problem != nil || !res.Pass.Complete {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
	r.complete(0)
	r.arrived(nil)
}
