package syncer

import (
	"slices"
	"testing"
)

// TestMovedBeforeItIsSettled: the new server has stored a message, at once or a little later, and the connection broke before it said so.
// Before that is settled its user moves the copy to another folder, and something else has that one looked at first. The message
// has arrived: it is not given to the server once more.
func TestMovedBeforeItIsSettled(t *testing.T) {
	for name, c := range map[string]struct {
		late      int // steps until it is stored
		meanwhile func(r *rig)
	}{
		"nothing meanwhile":         {meanwhile: func(*rig) {}},
		"visited":                   {meanwhile: func(r *rig) { r.visits("Work") }},
		"visited, with other mail":  {meanwhile: func(r *rig) { r.pair.old.deliver("Work", mail(5)); r.visits("Work") }},
		"visited twice":             {meanwhile: func(r *rig) { r.visits("Work"); r.pair.new.deliver("Work", mail(6)); r.visits("Work") }},
		"stored late":               {late: 1, meanwhile: func(*rig) {}},
		"stored late, visited":      {late: 1, meanwhile: func(r *rig) { r.pair.old.deliver("Work", mail(5)); r.visits("Work") }},
		"moved again, both visited": {meanwhile: func(r *rig) { r.visits("Work"); r.pair.new.moveMail("Work", "Later", mail(3)); r.visits("Later") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newRigIn(t, inMemory(t))
				r.silent = true
				for _, name := range []string{"Work", "Later"} {
					r.pair.old.add(name)
				}
				r.pair.old.deliver("INBOX", mail(1))
				r.pair.old.deliver("Work", mail(2))
				r.start(false)
				r.copies(2)
				r.pair.old.deliver("INBOX", mail(3))
				r.loseAppend(c.late)
				r.pair.new.settle()
				if !slices.Contains(r.pair.new.bodies("INBOX"), mail(3)) || len(r.ledger("INBOX").Intents) != 1 {
					t.Fatal("its arrival is not in doubt")
				}
				r.start(false)
				r.pair.new.moveMail("INBOX", "Work", mail(3))
				r.pair.old.deliver("INBOX", mail(4))
				c.meanwhile(r)
				r.sync()
				r.has("INBOX", mail(1), mail(4))
				n := 0
				for _, folder := range []string{"INBOX", "Work", "Later"} {
					for _, body := range r.pair.new.bodies(folder) {
						if body == mail(3) {
							n++
						}
					}
				}
				if n != 1 {
					t.Errorf("it is there %d times", n)
				}
				r.copies(0)
			})
		})
	}
}

// loseAppend begins a pass and ends all when the new server has been given a message: it has stored it, or does so after so many
// steps more.
func (r *rig) loseAppend(late int) {
	r.t.Helper()
	down := false
	fault := func(step string) error {
		switch {
		case down:
			return lostError(step)
		case late > 0 && step == "+APPEND":
			down = true
			return lateError(late)
		case step == "-APPEND":
			down = true
			return lostError(step)
		}
		return nil
	}
	r.pair.new.fail(fault)
	r.sync()
	r.stop()
	r.pair.new.fail(noFault)
}

// visits has a client open a folder.
func (r *rig) visits(folder string) {
	r.t.Helper()
	r.engine.Connected(r.t.Context(), r.account.ID)
	r.engine.Visit(r.t.Context(), r.account.ID, folder, nil)
	r.engine.Disconnected(r.account.ID)
}
