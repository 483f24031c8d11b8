package syncer

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// countingOld counts the most messages that one listing brought.
type countingOld struct {
	session.Source
	most *atomic.Int64
}

func (s countingOld) ListMessages(ctx context.Context, set imap.UIDSet, since uint64, fn func(upstream.Message) error) error {
	n := int64(0)
	return s.Source.ListMessages(ctx, set, since, func(m upstream.Message) error {
		if err := fn(m); err != nil {
			return err
		}
		n++
		s.most.Store(max(s.most.Load(), n))
		return nil
	})
}

// A folder whose UIDs are sparse and then dense is not listed at once: what one listing
// holds has a bound.
func TestDenseFolderIsListedInParts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.silent = true
	for i := range 5 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.pair.old.folders["INBOX"].next = 50_000_000
	const listMost = 16 * session.ListWindow
	const dense = listMost + 5000
	for i := range dense {
		r.pair.old.deliver("INBOX", mail(5+i))
	}
	var most atomic.Int64
	dial := r.pair.dialers().Old
	r.dialOld = func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		s, err := dial(ctx, server, c, opt)
		return countingOld{s, &most}, err
	}
	r.start(false)
	if res := r.sync(); res.Problem != nil || res.Pass.Copied != dense+5 {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if n := most.Load(); n > listMost {
		t.Errorf("one listing brought %d messages", n)
	}
}

// A list of folders that has no end is the account's trouble: a person has to look.
func TestEndlessListOfFolders(t *testing.T) {
	t.Parallel()
	block := strings.Repeat("* LIST () \"/\" again\r\n", 1000)
	r := newOddRig(t, lab.OddOptions{Answer: func(c *lab.OddConn) string {
		if c.Verb == "LIST" {
			for range 1000 {
				c.Tell(block)
			}
			return "OK done"
		}
		return ""
	}}, lab.OddOptions{})
	r.start(false)
	res := r.sync()
	p := res.Problem
	if p == nil || p.Kind != store.Excessive || p.Advice != store.NeedsFix || p.Server != store.OldSide || !strings.Contains(p.Summary.String(), "more than any mail server") {
		t.Errorf("%+v", p)
	}
}

// A folder about which there is no end to what the old server says is left behind, and
// said so; its neighbours are copied.
func TestEndlessFolder(t *testing.T) {
	t.Parallel()
	r := newOddRig(t, lab.OddOptions{Caps: capsWithout("LIST-STATUS"), Answer: func(c *lab.OddConn) string {
		if strings.HasSuffix(c.Verb, "FETCH") && c.Folder() == "Archive" {
			for n := range 100 {
				c.Tell(strings.Repeat(fmt.Sprintf("* 1 FETCH (UID 1 FLAGS (\\Seen k%d))\r\n", n), 100))
			}
			return "OK done"
		}
		return ""
	}}, lab.OddOptions{})
	r.start(false)
	res := r.sync()
	if p := res.Problem; p == nil || p.Kind != store.Excessive || p.Advice != store.RetryLater || p.Folder != "Archive" {
		t.Errorf("%+v", p)
	}
	if n := len(r.new.Messages("INBOX")) + len(r.new.Messages("Work")); n != oddFolders["INBOX"]+oddFolders["Work"] {
		t.Errorf("%d messages arrived", n)
	}
}
