package syncer

import (
	"fmt"
	"slices"
	"testing"

	"postferry/report/reason"
	"postferry/store"
)

// TestNotKept: the new server says OK to messages and does not keep some of them, or a filter of it puts them into another folder. What is
// nowhere is told, and comes when it is tried again; the pass with which it was told is not repeated for ever.
func TestNotKept(t *testing.T) {
	for _, server := range []struct {
		name                             string
		uidplus, single, fleeting, reuse bool
	}{
		{name: "one command", uidplus: true}, {name: "a command each", uidplus: true, single: true},
		{name: "no APPENDUID"}, {name: "no APPENDUID, a command each", single: true},
		{name: "no APPENDUID, and no UID taken", reuse: true},
		{name: "UIDs don't last", fleeting: true},
	} {
		for _, dropped := range [][]int{{0}, {2}, {4}, {1, 3}, {0, 1, 2, 3, 4}} {
			for _, to := range []string{"", "Filed"} {
				t.Run(fmt.Sprint(server.name, dropped, to), func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						r := newRigIn(t, inMemory(t))
						r.silent = true
						nu := r.pair.new
						nu.uidplus, nu.single, nu.fleeting, nu.dropsTo, nu.dropsUID = server.uidplus, server.single, server.fleeting, to, server.reuse
						var kept, lost []string
						for n := range 5 {
							r.pair.old.deliver("INBOX", mail(n))
							if slices.Contains(dropped, n) {
								lost = append(lost, mail(n))
							} else {
								kept = append(kept, mail(n))
							}
						}
						if to != "" {
							nu.add(to)
						}
						nu.drops = func(body []byte) bool { return slices.Contains(lost, string(body)) }
						r.start(false)
						for range 2 {
							r.sync()
						}
						r.has("INBOX", kept...)
						quarantined := r.ledger("INBOX").Quarantine
						if to != "" && !server.fleeting {
							lost = nil
						}
						var keys []store.Key
						for _, q := range quarantined {
							keys = append(keys, q.Key)
							if q.Reason != reason.Of(reason.NotKept) {
								t.Errorf("%+v", q)
							}
						}
						if len(quarantined) != len(lost) {
							t.Fatalf("%d are told, want %d", len(quarantined), len(lost))
						}
						if len(lost) == 0 || to != "" {
							return
						}
						nu.drops = nil
						if err := r.engine.Retry(t.Context(), r.account.ID, r.folderRow("INBOX").ID, keys); err != nil {
							t.Fatal(err)
						}
						r.copies(len(lost))
						r.has("INBOX", mails(0, 5)...)
						r.quietPass()
					})
				})
			}
		}
	}
}
