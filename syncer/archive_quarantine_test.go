package syncer

import (
	"errors"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream/link"
)

// TestArchivedFromQuarantine: a message that the new server refuses is archived at the old server, where all mail had been looked through.
// Once it is tried again, or is known no more under its UID, it goes to the archive: it isn't forgotten because it has left its folder.
func TestArchivedFromQuarantine(t *testing.T) {
	for name, rigOf := range allMailRigs {
		for how, tried := range map[string]func(*allMailRig){
			"a person has it tried again":                         (*allMailRig).retries,
			"its folder is gone, and a person has it tried again": func(r *allMailRig) { r.oldLoses("Work"); r.sync(); r.retries() },
			"it is tried again by itself":                         func(*allMailRig) {},
			"its folder is numbered anew":                         func(r *allMailRig) { r.pair.old.renumber("Work") },
			"its folder's UIDs are used anew":                     func(r *allMailRig) { r.pair.old.number("Work", 1, nil) },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := rigOf(t)
					r.firstPass()
					r.refuses(imap.ResponseCodeUnknownCTE)
					if last := how == "it is tried again by itself"; last { // nothing that is taken after it shows that it is to blame
						r.arrives(3, "Work")
						r.pass(1)
						r.arrives(5, "Work")
					} else {
						r.arrives(5, "Work")
						r.arrives(3, "Work")
					}
					r.sync()
					r.has("Work", 2, 3)
					if n := len(r.quarantined("Work")); n != 1 {
						t.Fatalf("%d messages in quarantine", n)
					}
					r.pair.old.remove("Work", mail(5))
					r.refuses("")
					tried(r)
					for range 3 {
						if res := r.sync(); !res.Pass.Complete {
							t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
						}
					}
					r.has("Archive", 5, 7)
					r.has("Work", 2, 3)
					r.allLookedThrough()
				})
			})
		}
	}
}

// refuses has the new server refuse mail(5) with a code; "" for not any more.
func (r *allMailRig) refuses(code imap.ResponseCode) {
	r.pair.new.mu.Lock()
	defer r.pair.new.mu.Unlock()
	r.pair.new.refuse = func(body []byte) error {
		if code == "" || string(body) != mail(5) {
			return nil
		}
		return &link.Error{Server: "fake", Op: "APPEND", Class: link.Refused, Code: code, Text: "no", Err: errors.New("no")}
	}
}

// retries is a person who has the messages of Work that are in quarantine tried again.
func (r *rig) retries() {
	if err := r.engine.Retry(r.t.Context(), r.account.ID, r.folderRow("Work").ID, r.quarantined("Work")); err != nil {
		r.t.Fatal(err)
	}
}

// quarantined are the keys of the messages of a folder that are in quarantine.
func (r *rig) quarantined(folder string) (keys []store.Key) {
	l, err := r.store.Ledger(r.t.Context(), r.account.ID, r.folderRow(folder).ID)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, q := range l.Quarantine {
		keys = append(keys, q.Key)
	}
	return keys
}
