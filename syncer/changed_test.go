package syncer

import (
	"testing"
)

func TestFolderChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		for _, name := range []string{"A", "B", "C", "C/D"} {
			r.pair.old.add(name)
			r.pair.old.deliver(name, mail(len(name)))
		}
		r.start(false)
		r.sync()
		ctx := t.Context()
		r.pair.new.mu.Lock()
		delete(r.pair.new.folders, "A")
		delete(r.pair.new.folders, "B") // behind our back
		r.pair.new.folders["X"], r.pair.new.folders["X/D"] = r.pair.new.folders["C"], r.pair.new.folders["C/D"]
		delete(r.pair.new.folders, "C")
		delete(r.pair.new.folders, "C/D")
		r.pair.new.mu.Unlock()
		if err := r.engine.Changed(ctx, r.account.ID, "DELETE", "A", ""); err != nil {
			t.Fatal(err)
		}
		if err := r.engine.Changed(ctx, r.account.ID, "RENAME", "C", "X"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"A", "B", "C", "C/D"} {
			r.pair.old.deliver(name, mail(50+len(name)))
		}
		r.sync()
		r.pair.new.mu.Lock()
		for _, name := range []string{"A", "B", "C", "C/D"} {
			if r.pair.new.folders[name] != nil {
				t.Errorf("%s was made again", name)
			}
		}
		r.pair.new.mu.Unlock()
		for _, name := range []string{"X", "X/D"} {
			if n := len(r.pair.new.bodies(name)); n != 2 {
				t.Errorf("%s has %d messages", name, n)
			}
		}
	})
}

// TestRenamingWithoutAnAnswer is a RENAME whose completion nobody saw.
func TestRenamingWithoutAnAnswer(t *testing.T) {
	tests := []struct {
		name     string
		commands [][2]string
		done     int    // how many of them the new server carried out
		want     string // where late mail is to go
	}{
		{"done", [][2]string{{"A", "X"}}, 1, "X/B"},
		{"not done", [][2]string{{"A", "X"}}, 0, "A/B"},
		{"two, none done", [][2]string{{"A", "X"}, {"X", "Y"}}, 0, "A/B"},
		{"two, one done", [][2]string{{"A", "X"}, {"X", "Y"}}, 1, "X/B"},
		{"two, both done", [][2]string{{"A", "X"}, {"X", "Y"}}, 2, "Y/B"},
		{"back again", [][2]string{{"A", "X"}, {"X", "A"}}, 2, "A/B"},
		{"INBOX stays", [][2]string{{"INBOX", "X"}}, 0, "A/B"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				r.pair.old.add("A")
				r.pair.old.add("A/B")
				r.pair.old.deliver("A/B", mail(1))
				r.pair.new.fleeting = true // it can't be told by the UIDVALIDITY
				r.start(false)
				r.sync()
				for i, c := range tt.commands {
					if err := r.engine.Renaming(t.Context(), r.account.ID, c[0], c[1]); err != nil {
						t.Fatal(err)
					}
					if i < tt.done {
						r.pair.new.rename(c[0], c[1])
						r.pair.new.rename(c[0]+"/B", c[1]+"/B")
					}
				}
				r.stop()
				r.start(false)
				r.pair.old.deliver("A/B", mail(2))
				r.sync()
				if n := len(r.pair.new.bodies(tt.want)); n != 2 {
					t.Errorf("%s has %d messages", tt.want, n)
				}
			})
		})
	}
}

// TestFoldersRenamedElsewhere by the user without the relay go on under their new
// names, if it is certain which they are.
func TestFoldersRenamedElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		names := []string{"A", "A/B", "Alike", "Alike too", "Gone"}
		for _, name := range names {
			r.pair.old.add(name)
			r.pair.old.deliver(name, mail(1))
		}
		r.start(false)
		r.sync()
		r.pair.new.mu.Lock()
		folders := r.pair.new.folders
		folders["Alike"].validity = folders["Alike too"].validity
		for from, to := range map[string]string{"A": "X", "A/B": "X/B", "Alike": "Y", "Alike too": "Z"} {
			folders[to] = folders[from]
		}
		for _, name := range names {
			delete(folders, name)
		}
		r.pair.new.mu.Unlock()
		r.pair.new.add("Unrelated")
		for _, name := range names {
			r.pair.old.deliver(name, mail(2))
		}
		r.sync()
		want := map[string]int{"X": 2, "X/B": 2, "Y": 1, "Z": 1, "Unrelated": 0}
		for name, n := range want {
			if got := len(r.pair.new.bodies(name)); got != n {
				t.Errorf("%s has %d messages, want %d", name, got, n)
			}
		}
		for _, name := range names {
			if r.pair.new.folders[name] != nil {
				t.Errorf("%s was made again", name)
			}
		}
	})
}

// TestFolderRenamedWhileListed: a listing that is made while a folder is renamed may have
// it under neither name, or under one that it has no more when it is looked at.
func TestFolderRenamedWhileListed(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   map[string]string // by step on the new server, in turn: what the folder is called then; "" is nowhere
	}{
		{"under neither name", map[string]string{"+LIST": "", "-LIST": "C"}},
		{"twice", map[string]string{"+LIST": "B", "-LIST": "C"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				r.pair.old.add("A")
				r.pair.old.deliver("A", mail(1))
				r.start(false)
				r.sync()
				r.pair.old.deliver("A", mail(2))
				folder, called := r.pair.new.folders["A"], "A"
				r.pair.new.fail(func(step string) error {
					if to, ok := tt.at[step]; ok {
						delete(r.pair.new.folders, called)
						if delete(tt.at, step); to != "" {
							r.pair.new.folders[to] = folder
						}
						called = to
					}
					return nil
				})
				if res := r.sync(); !res.Pass.Complete {
					t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
				}
				r.sync()
				if n := len(r.pair.new.bodies("C")); n != 2 || len(tt.at) > 0 {
					t.Errorf("%d messages", n)
				}
			})
		})
	}
}
