package syncer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// rigOf has messages 0 to n-1 in INBOX, all of them copied.
func rigOf(t *testing.T, n int) *rig {
	t.Helper()
	r := newRig(t)
	for i := range n {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	r.copies(n)
	return r
}

// copies makes a pass, which must be complete and copy so many messages.
func (r *rig) copies(n int) {
	r.t.Helper()
	if res := r.sync(); int(res.Pass.Copied) != n || !res.Pass.Complete {
		r.t.Errorf("copied %d, want %d: %+v, problem %+v", res.Pass.Copied, n, res.Pass, res.Problem)
	}
}

// quietPass makes a pass that must find nothing to do.
func (r *rig) quietPass() {
	r.t.Helper()
	if res := r.sync(); res.Pass.Copied+res.Pass.Adopted+res.Pass.FlagChanges+res.Pass.Quarantined > 0 || !res.Pass.Complete {
		r.t.Errorf("nothing has changed, but %+v, problem %+v", res.Pass, res.Problem)
	}
}

// has wants exactly these messages in a new folder.
func (r *rig) has(folder string, want ...string) {
	r.t.Helper()
	got := sorted(r.pair.new.bodies(folder))
	if want = sorted(slices.Clone(want)); !slices.Equal(got, want) {
		r.t.Errorf("%s has %d messages, want %d:\n%s", folder, len(got), len(want), difference(want, got))
	}
}

// difference lists what is in one and not in the other, with its number.
func difference(want, got []string) string {
	count := map[string]int{}
	for _, b := range want {
		count[b]--
	}
	for _, b := range got {
		count[b]++
	}
	var out strings.Builder
	for b, n := range count {
		if n != 0 {
			fmt.Fprintf(&out, "%+d %.60q\n", n, b)
		}
	}
	return out.String()
}

// mails are the messages from one number to before another.
func mails(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, mail(i))
	}
	return all
}

// TestOldUIDsUsedAgain puts the old server back to a backup, after which new mail gets UIDs that
// other messages had: it is copied, and what was copied before stays as it is.
func TestOldUIDsUsedAgain(t *testing.T) {
	for _, condStore := range []bool{true, false} {
		for _, fresh := range []int{0, 1, 3, 5, 30} { // with 3 UIDNEXT is as it was, with more it is beyond
			t.Run(fmt.Sprintf("CONDSTORE %t, %d new", condStore, fresh), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.pair.old.condstor = condStore
				r.copiedThenOldPutBack(7, 4)
				for i := range fresh {
					r.pair.old.deliver("INBOX", mail(100+i)+strings.Repeat("x\r\n", i+1))
				}
				want := append(mails(0, 7), r.pair.old.bodies("INBOX")[4:]...)
				r.copies(fresh)
				r.has("INBOX", want...)
				r.quietPass()
				// Flags go to the right ones.
				r.pair.old.setFlags("INBOX", mail(1), imap.FlagFlagged)
				if res := r.sync(); res.Pass.Copied != 0 || res.Pass.FlagChanges != 1 || !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				r.has("INBOX", want...)
				for _, body := range want {
					if got := r.pair.new.flags("INBOX", body); len(got) > 0 != (body == mail(1)) {
						t.Errorf("%q has %v", body, got)
					}
				}
			})
		}
	}
}

// TestNewServerPutBack puts the new server back to a backup: what it has lost is copied
// again, what its user had removed before is not, and no flag reaches mail that has got
// the UIDs of copies since.
func TestNewServerPutBack(t *testing.T) {
	for _, fresh := range []int{0, 5, 20, 30} {
		for _, flags := range []bool{false, true} {
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d new there, flags %t, late mail %t", fresh, flags, late), func(t *testing.T) {
					t.Parallel()
					inBubble(t, func(t *testing.T) {
						r := rigOf(t, 20)
						r.pair.new.remove("INBOX", mail(3))
						putBack := r.pair.new.keep("INBOX")
						for i := range 20 {
							r.pair.old.deliver("INBOX", mail(20+i))
						}
						r.copies(20)
						putBack()
						for i := range fresh {
							r.pair.new.deliver("INBOX", mail(200+i))
						}
						n := 40
						if late {
							r.pair.old.deliver("INBOX", mail(n))
							n++
						}
						if flags {
							for i := range n {
								r.pair.old.setFlags("INBOX", mail(i), imap.FlagDeleted, imap.FlagSeen)
							}
						}
						for range 2 {
							if res := r.sync(); !res.Pass.Complete {
								t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
							}
						}
						for i := range fresh {
							if got := r.pair.new.flags("INBOX", mail(200+i)); len(got) > 0 {
								t.Errorf("message %d of the new server alone has got %v", i, got)
							}
						}
						r.has("INBOX", slices.Concat(mails(0, 3), mails(4, n), mails(200, 200+fresh))...)
						if got := r.pair.new.flags("INBOX", mail(30)); flags != slices.Contains(got, imap.FlagDeleted) {
							t.Errorf("a message that was copied again has %v", got)
						}
						r.quietPass()
					})
				})
			}
		}
	}
}

// TestNewServerGivesOtherUIDs under the same UIDVALIDITY: nothing is copied again, what its
// user had removed stays so, and flags go to the right ones.
func TestNewServerGivesOtherUIDs(t *testing.T) {
	reversed := func(a, b *fakeMessage) int { return int(b.uid) - int(a.uid) }
	for _, from := range []imap.UID{1, 8, 30} {
		for name, order := range map[string]func(a, b *fakeMessage) int{"the same": nil, "the opposite": reversed} {
			t.Run(fmt.Sprintf("from %d, order %s", from, name), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					r := rigOf(t, 20)
					r.pair.new.remove("INBOX", mail(3))
					r.pair.new.remove("INBOX", mail(11))
					r.pair.new.number("INBOX", from, order)
					for i := range 20 {
						if i%2 == 0 {
							r.pair.old.setFlags("INBOX", mail(i), imap.FlagFlagged)
						}
					}
					for range 2 {
						if res := r.sync(); !res.Pass.Complete {
							t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
						}
					}
					want := slices.Concat(mails(0, 3), mails(4, 11), mails(12, 20))
					r.has("INBOX", want...)
					for _, body := range want {
						old, got := r.pair.old.flags("INBOX", body), r.pair.new.flags("INBOX", body)
						if !slices.Equal(old, got) {
							t.Errorf("%q has %v, want %v", body, got, old)
						}
					}
					r.quietPass()
				})
			})
		}
	}
}

// TestModSeqWentBack: an old server that counts changes anew has all flags compared.
func TestModSeqWentBack(t *testing.T) {
	r := rigOf(t, 20)
	for range 3 { // counts on
		for i := range 20 {
			r.pair.old.setFlags("INBOX", mail(i), imap.FlagSeen)
		}
	}
	r.sync()
	for i := range 10 {
		r.pair.old.setFlags("INBOX", mail(i), imap.FlagFlagged)
	}
	r.pair.old.setModSeq("INBOX", 3)
	r.pair.old.deliver("INBOX", mail(20))
	if res := r.sync(); res.Pass.FlagChanges != 10 || res.Pass.Copied != 1 || !res.Pass.Complete {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
	for i := range 10 {
		if got := r.pair.new.flags("INBOX", mail(i)); !slices.Equal(got, []imap.Flag{imap.FlagFlagged}) {
			t.Errorf("message %d has %v", i, got)
		}
	}
	r.has("INBOX", mails(0, 21)...)
	r.quietPass()
}

// TestModSeqWentBackAny: wherever HIGHESTMODSEQ begins anew, at once or again and again, with new mail beside it
// or without, and with mail that is gone meanwhile, what was changed on the old server is carried over.
func TestModSeqWentBackAny(t *testing.T) {
	for name, tt := range map[string]struct {
		to    []uint64 // what it is put to before each pass
		late  bool
		gone  bool
		twice bool // the same flags are changed back
	}{
		"to one":                   {to: []uint64{1}},
		"by one":                   {to: []uint64{60}},
		"again and again":          {to: []uint64{3, 2, 1}},
		"down and up again":        {to: []uint64{3, 500, 4}},
		"with new mail":            {to: []uint64{2, 1}, late: true},
		"with mail that is gone":   {to: []uint64{2}, gone: true},
		"flags that are taken off": {to: []uint64{5, 2}, twice: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := rigOf(t, 20)
			for range 3 { // counts on
				for i := range 20 {
					r.pair.old.setFlags("INBOX", mail(i), imap.FlagSeen)
				}
			}
			r.sync()
			for n, to := range tt.to {
				flags := []imap.Flag{imap.FlagFlagged}
				if tt.twice && n%2 == 1 {
					flags = nil
				}
				if n%2 == 1 && !tt.twice {
					flags = []imap.Flag{imap.FlagAnswered}
				}
				for i := range 10 {
					r.pair.old.setFlags("INBOX", mail(i), flags...)
				}
				if tt.gone {
					r.pair.old.remove("INBOX", mail(15))
				}
				if tt.late {
					r.pair.old.deliver("INBOX", mail(20+n))
				}
				r.pair.old.setModSeq("INBOX", to)
				if res := r.sync(); !res.Pass.Complete || res.Pass.FlagChanges != 10 {
					t.Errorf("put to %d: %+v, problem %+v", to, res.Pass, res.Problem)
				}
				for i := range 10 {
					if got := r.pair.new.flags("INBOX", mail(i)); !slices.Equal(got, flags) {
						t.Errorf("put to %d: message %d has %v, want %v", to, i, got, flags)
					}
				}
			}
			want := 20
			if tt.late {
				want += len(tt.to)
			}
			r.has("INBOX", mails(0, want)...)
			r.quietPass()
		})
	}
}

// TestQuietPassCostsNothing: numbers are compared with what the looks at the trees bring, and the newest messages
// are asked for together with them. No folder is opened after that.
func TestQuietPassCostsNothing(t *testing.T) {
	r := rigOf(t, 20)
	r.sync()
	r.pair.old.log, r.pair.new.log = nil, nil
	r.quietPass()
	for _, s := range []*fakeServer{r.pair.old, r.pair.new} {
		got := slices.DeleteFunc(s.log, func(op string) bool { return op == "CONNECT" || op == "NOOP" })
		if at := slices.Index(got, "LIST"); !slices.Equal(got[:at+1], []string{"GLANCE", "HEADERS", "LIST"}) || slices.ContainsFunc(got[at+1:], func(op string) bool { return op != "STATUS" }) {
			t.Errorf("steps %q", got)
		}
	}
}

// TestRewrittenHeaders: a new server that writes something else for octets above 127 in a header still has
// the copies, whose flags are changed, and which are not made again.
func TestRewrittenHeaders(t *testing.T) {
	for name, header := range map[string]string{
		"with Message-ID":    "Message-ID: <1@example.com>\r\nSubject: gr\xfc\xdfe\r\n",
		"without Message-ID": "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nFrom: J\xf6rg <j@example.com>\r\nSubject: hello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := rigOf(t, 3)
			body := header + "\r\ntext\r\n"
			r.pair.old.deliver("INBOX", body)
			r.copies(1)
			rewritten := strings.NewReplacer("\xfc", "X", "\xdf", "X", "\xf6", "X").Replace(body)
			r.pair.new.folders["INBOX"].messages[3].body = []byte(rewritten)
			r.pair.old.setFlags("INBOX", body, imap.FlagSeen)
			r.pair.old.deliver("INBOX", mail(3))
			r.pair.new.deliver("INBOX", mail(200))
			if res := r.sync(); res.Pass.Copied != 1 || res.Pass.FlagChanges != 1 || !res.Pass.Complete {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			if got := r.pair.new.flags("INBOX", rewritten); !slices.Equal(got, []imap.Flag{imap.FlagSeen}) {
				t.Errorf("flags %v", got)
			}
			r.has("INBOX", append(mails(0, 4), rewritten, mail(200))...)
			r.quietPass()
		})
	}
}

// TestOtherMessageGetsNoFlag puts other messages under the UIDs of copies, and nothing else shows it: one
// that is like it but much larger, as a list makes them, and one that is as large but another.
func TestOtherMessageGetsNoFlag(t *testing.T) {
	for name, other := range map[string]string{
		"larger": mail(1) + strings.Repeat("footer\r\n", 300),
		"other":  mail(9),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := rigOf(t, 40)
				r.pair.new.folders["INBOX"].messages[1].body = []byte(other)
				r.pair.old.setFlags("INBOX", mail(1), imap.FlagDeleted)
				r.pair.old.setFlags("INBOX", mail(2), imap.FlagFlagged)
				for range 2 {
					if res := r.sync(); !res.Pass.Complete {
						t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
					}
				}
				if got := r.pair.new.flags("INBOX", other); len(got) > 0 {
					t.Errorf("the other message has %v", got)
				}
				if got := r.pair.new.flags("INBOX", mail(2)); !slices.Equal(got, []imap.Flag{imap.FlagFlagged}) {
					t.Errorf("another copy has %v", got)
				}
				r.quietPass()
			})
		})
	}
}

// TestCheckpointOfAnEarlierVersion does not have the new folder's numbers: UIDs of copies at or above UIDNEXT show
// that it was put back all the same.
func TestCheckpointOfAnEarlierVersion(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := rigOf(t, 10)
		putBack := r.pair.new.keep("INBOX")
		for i := range 10 {
			r.pair.old.deliver("INBOX", mail(10+i))
		}
		r.copies(10)
		putBack()
		r.stop()
		rows, err := r.store.Folders(t.Context(), r.account.ID)
		if err != nil {
			t.Fatal(err)
		}
		cp := rows[0].Checkpoint
		cp.NewUIDValidity, cp.NewUIDNext, cp.NewHighestModSeq = 0, 0, 0
		if err := r.store.Commit(t.Context(), store.Batch{Account: r.account.ID, Folder: rows[0].ID, Checkpoint: &cp}); err != nil {
			t.Fatal(err)
		}
		r.start(false)
		r.pair.old.deliver("INBOX", mail(20))
		r.copies(11)
		r.has("INBOX", mails(0, 21)...)
		r.quietPass()
	})
}

// TestLaggingNode: a new server of which one node lags behind for a moment has lost nothing.
func TestLaggingNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := rigOf(t, 10)
		now := r.pair.new.folders["INBOX"]
		lagging := now.copied()
		lagging.messages, lagging.next = lagging.messages[:5], 6
		r.pair.new.folders["INBOX"] = lagging
		looks := 0
		r.pair.new.fail(func(step string) error { // the caller holds the lock
			if step == "-STATUS" {
				if looks++; looks == 1 {
					r.pair.new.folders["INBOX"] = now
				}
			}
			return nil
		})
		r.pair.old.deliver("INBOX", mail(10))
		r.copies(1)
		r.has("INBOX", mails(0, 11)...)
		r.quietPass()
	})
}

// TestSpotCheckThatHangsUp: a server that hangs up when it is asked for the newest messages, or refuses it, holds up
// nothing else.
func TestSpotCheckThatHangsUp(t *testing.T) {
	for name, err := range map[string]error{"hangs up": lostError("EXAMINE"), "refuses": refusedError("EXAMINE", "")} {
		for _, side := range []string{"old", "new"} {
			t.Run(side+" "+name, func(t *testing.T) {
				r := rigOf(t, 20)
				s := map[string]*fakeServer{"old": r.pair.old, "new": r.pair.new}[side]
				s.fail(func(step string) error {
					if step == "+GLANCE" {
						return err
					}
					return nil
				})
				r.quietPass()
				r.quietPass()
			})
		}
	}
}
