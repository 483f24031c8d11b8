package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/syncer/session"
	"postferry/wire"
)

// criteria are those of a client's SEARCH command.
func criteria(t *testing.T, command string) wire.Criteria {
	t.Helper()
	s, ok := wire.ParseSearch([]byte("a SEARCH " + command))
	if !ok {
		t.Fatalf("%s is no search", command)
	}
	return s.Criteria
}

// TestClientSearch: what is found on the old server comes first, whatever is going on in the folder.
func TestClientSearch(t *testing.T) {
	const messages = 1500
	hit := func(i int) string {
		return strings.Replace(mail(i), "Text", fmt.Sprintf("needle-%d needle", i%2), 1)
	}
	hits := []int{3, 400, 401, 700, 1100}
	for name, before := range map[string]func(ctx context.Context, r *rig){
		"nothing":                           func(context.Context, *rig) {},
		"a visit":                           func(ctx context.Context, r *rig) { go r.engine.Visit(ctx, r.account.ID, "INBOX", nil) },
		"a visit that has shown the newest": func(ctx context.Context, r *rig) { r.engine.Visit(ctx, r.account.ID, "INBOX", nil) },
		"a pass": func(ctx context.Context, r *rig) {
			go r.engine.Sync(ctx, nil, nil) //nolint:errcheck // its end is not of interest
			for len(r.pair.new.bodies("INBOX")) == 0 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.silent = true
				r.pair.old.folders["INBOX"].next = session.ListWindow + 2 // too large to be asked for before it is listed
				for i := range messages {
					body := mail(i)
					if slices.Contains(hits, i) {
						body = hit(i)
					}
					r.pair.old.deliver("INBOX", body)
				}
				r.slowOld(10 * time.Millisecond)
				r.start(false)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				r.engine.Connected(ctx, r.account.ID)
				defer r.engine.Disconnected(r.account.ID)
				before(ctx, r)
				for _, word := range []string{"needle-1", "needle"} {
					r.engine.Search(ctx, r.account.ID, "INBOX", criteria(t, "TEXT "+word))
					got := r.pair.new.bodies("INBOX")
					for _, i := range hits {
						if strings.Contains(hit(i), word) && !slices.Contains(got, hit(i)) {
							t.Errorf("%s: message %d is not among %d", word, i, len(got))
						}
					}
					if len(got) > messages-100 || ctx.Err() != nil {
						t.Errorf("%s: %d messages are there, %v", word, len(got), ctx.Err())
					}
				}
				r.slowOld(0)
				cancel()
				r.sync()
				all := sorted(r.pair.new.bodies("INBOX"))
				if want := sorted(r.pair.old.bodies("INBOX")); !slices.Equal(all, want) {
					t.Errorf("%d messages, want each of %d once", len(all), len(want))
				}
				r.end()
			})
		})
	}
}

// TestClientSearchIsBounded: by number, the newest first; a search that the old server refuses, or
// in a folder that is filled or not known, holds nobody up.
func TestClientSearchIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.silent = true
		for i := range 1000 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.slowOld(20 * time.Millisecond) // so that only a bound by time would let more than 250 come
		r.start(false)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r.engine.Connected(ctx, r.account.ID)
		defer r.engine.Disconnected(r.account.ID)
		r.engine.Search(ctx, r.account.ID, "INBOX", criteria(t, "TEXT Message-ID"))
		got := r.pair.new.bodies("INBOX")
		if !slices.Contains(got, mail(999)) || !slices.Contains(got, mail(1000-100)) || len(got) > 500 {
			t.Errorf("%d messages are there, and not the newest", len(got))
		}
		quick := func(what, mailbox, search string) {
			t.Helper()
			begun := time.Now()
			r.engine.Search(ctx, r.account.ID, mailbox, criteria(t, search))
			if took := time.Since(begun); took > 4*time.Second {
				t.Errorf("%s holds up for %v", what, took)
			}
		}
		quick("what is refused", "INBOX", "FROM x TO y")
		quick("an unknown folder", "Nowhere", "TEXT x")
		r.slowOld(0)
		r.sync()
		searched := r.pair.old.count("SEARCH")
		quick("a filled folder", "INBOX", "TEXT x")
		if n := r.pair.old.count("SEARCH"); n != searched {
			t.Error("a filled folder is searched on the old server")
		}
		r.end()
	})
}
