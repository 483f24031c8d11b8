package proxy

import (
	"slices"
	"testing"

	"postferry/store"
)

// TestBegunWhileTheClientStays: an account that is added or begun while its person is logged in already has its folders filled
// as they are opened, and what is done to them is told, as of anybody who comes later.
func TestBegunWhileTheClientStays(t *testing.T) {
	t.Parallel()
	waiting, stopped, finished := known("pw", "joe@example.com", "pw"), known("pw", "joe@example.com", "pw"), known("pw", "joe@example.com", "pw")
	waiting.State, stopped.State, finished.State = store.Waiting, store.Stopped, store.Finished
	again := known("pw", "joe@example.com", "pw")
	again.ID = 8
	opened := []string{"connected 7", `visit 7 "x"`, `hold 7 ["y"]`, `changed 7 CREATE "y" ""`, `let go 7 ["y"]`, "disconnected 7"}
	changed := []string{`hold 7 ["y"]`, `changed 7 CREATE "y" ""`, `let go 7 ["y"]`}
	tests := map[string]struct {
		was, is store.Account
		want    []string
	}{
		"begun":                      {waiting, known("pw", "joe@example.com", "pw"), opened},
		"begun again":                {stopped, known("pw", "joe@example.com", "pw"), opened},
		"added and begun":            {store.Account{}, known("pw", "joe@example.com", "pw"), opened},
		"added":                      {store.Account{}, waiting, changed},
		"another mailbox":            {store.Account{}, known("pw", "jim@example.com", "pw"), nil},
		"another domain's":           {store.Account{}, ofDomain("example.org", "joe@example.com", known("pw", "joe@example.com", "pw")), nil},
		"removed and added anew":     {waiting, again, []string{"connected 8", `visit 8 "x"`, `hold 8 ["y"]`, `changed 8 CREATE "y" ""`, `let go 8 ["y"]`, "disconnected 8"}},
		"of whom nothing is to come": {waiting, finished, nil},
		"not begun":                  {waiting, waiting, changed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := startFakeServer(t, map[string]string{"joe@example.com": "pw"})
			p := startProxy(t, f.config(), func(p *proxyRig) {
				p.cfg.Domains[0].Enrol = false
				if tt.was.ID != 0 {
					p.store.accounts["joe@example.com"] = tt.was
				}
			})
			c := p.greeted(t)
			c.says("a LOGIN joe@example.com pw\nb NOOP\n")
			c.hears("a " + welcome + "b OK x\n")
			p.store.mu.Lock()
			p.store.accounts["joe@example.com"] = tt.is
			p.store.mu.Unlock()
			c.says("c SELECT x\n")
			c.hears("c OK x\n")
			c.says("d CREATE y\n")
			c.hears("d OK x\n")
			c.Close()
			p.stop()
			if got := p.ferry.noted(); !slices.Equal(got, tt.want) {
				t.Errorf("calls %q; want %q", got, tt.want)
			}
		})
	}
}
