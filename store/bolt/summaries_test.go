package bolt

import (
	"fmt"
	"testing"

	"postferry/store"
)

// TestOverviewIsFrugal: what many accounts have in common takes memory once, and there is room for all of a
// domain's from the beginning: pages, figures and status read them again and again.
func TestOverviewIsFrugal(t *testing.T) {
	b := open(t, t.TempDir())
	accounts := make([]store.Account, 2000)
	for i := range accounts {
		domain := []string{"a.example", "b.example"}[i%2]
		c := store.Credentials{Login: fmt.Sprintf("user%d@%s", i, domain), Password: "a password"}
		accounts[i] = store.Account{Domain: domain, Login: c.Login, Old: c, New: c, Origin: store.Imported, State: store.Active}
	}
	if _, _, err := b.PutAccounts(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]int{"": 2000, "a.example": 1000} {
		all, err := b.Overview(t.Context(), domain)
		if err != nil || len(all) != want || cap(all) != want {
			t.Fatalf("domain %q: %d accounts in room for %d, %v", domain, len(all), cap(all), err)
		}
		per := testing.AllocsPerRun(5, func() { _, err = b.Overview(t.Context(), domain) }) / float64(want)
		if err != nil || per > 2.2 { // with the race detector, which takes one more
			t.Errorf("domain %q: %.1f allocations an account, %v", domain, per, err)
		}
	}
}
