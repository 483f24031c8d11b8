package syncer

import (
	"maps"
	"testing"
	"time"
)

// TestLabelledChangedMeanwhile: people, or who runs a server, do something just before a COPY that has been got ready. In the end each message is once
// in each of its folders, but for what they have changed.
func TestLabelledChangedMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(old, new *fakeServer) // the lock of the new server is held
		want map[string][]int           // where it differs from labelledEverywhere
	}{
		"moved to where it is copied": {
			do: func(_, new *fakeServer) {
				new.folders["Trips"].append([]byte(mail(1)), nil, time.Time{})
				new.dropLocked("INBOX", mail(1))
			},
			want: map[string][]int{"INBOX": {2, 4, 6}},
		},
		"people have their own": {
			do:   func(_, new *fakeServer) { new.folders["Trips"].append([]byte(mail(1)), nil, time.Time{}) },
			want: map[string][]int{"Trips": {1, 1, 5}},
		},
		"renamed": {
			do: func(_, new *fakeServer) {
				new.folders["Journeys"] = new.folders["Trips"]
				delete(new.folders, "Trips")
			},
			want: map[string][]int{"Trips": nil, "Journeys": {1, 5}},
		},
		"what is copied from is renamed": {
			do: func(_, new *fakeServer) {
				new.folders["Journeys"], new.folders["Other"] = new.folders["Trips"], new.folders["Work"]
				delete(new.folders, "Trips")
				delete(new.folders, "Work")
			},
			want: map[string][]int{"Trips": nil, "Journeys": {1, 5}, "Work": nil, "Other": {1, 3, 4, 6, 5}},
		},
		"made anew": {
			do: func(_, new *fakeServer) {
				f := new.folders["Trips"].copied()
				f.validity, f.messages, f.next = f.validity+1000, nil, 1
				new.folders["Trips"] = f
			},
		},
		"what is copied from is numbered anew":    {do: func(_, new *fakeServer) { new.renumberLocked("INBOX") }},
		"where it is copied to is numbered anew":  {do: func(_, new *fakeServer) { new.renumberLocked("Trips") }},
		"the old folder is numbered anew":         {do: func(old, _ *fakeServer) { old.renumber("Trips") }},
		"another old folder is numbered anew":     {do: func(old, _ *fakeServer) { old.renumber("INBOX") }},
		"its label is removed":                    {do: func(old, _ *fakeServer) { old.remove("Trips", mail(1)) }},
		"another label is removed":                {do: func(old, _ *fakeServer) { old.remove("INBOX", mail(1)) }},
		"UIDs of the old folder are given anew":   {do: func(old, _ *fakeServer) { old.number("Trips", 5, nil) }},
		"UIDs of another folder are given anew":   {do: func(old, _ *fakeServer) { old.number("INBOX", 9, nil) }},
		"its label comes again under another UID": {do: func(old, _ *fakeServer) { old.remove("Trips", mail(1)); old.deliver("Trips", mail(1)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := labelledRig(t)
				r.silent = true
				struck := false
				r.pair.new.fail(func(step string) error {
					if step == "+COPY" && !struck {
						struck = true
						c.do(r.pair.old, r.pair.new)
					}
					return nil
				})
				r.start(false)
				for range 3 {
					r.sync()
				}
				r.aDayLater()
				if res := r.sync(); !struck || !res.Pass.Complete {
					t.Errorf("struck: %t; %+v, problem %+v", struck, res.Pass, res.Problem)
				}
				want := maps.Clone(labelledEverywhere)
				maps.Copy(want, c.want)
				for name, numbers := range want {
					if numbers != nil {
						r.has(name, numbers...)
					} else if r.pair.new.folder(name) != nil {
						t.Errorf("%s is there again", name)
					}
				}
				r.stop()
			})
		})
	}
}
