package cause

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

// TestCauses: the same fault of many accounts is one cause, and those that need a person come first.
func TestCauses(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var g Gathering
	for i := range 1000 {
		g.Add(fmt.Sprintf("u%03d@a.example", 999-i), &store.Problem{Kind: store.CertificateName, Server: store.OldSide, Host: "old.example",
			Summary: reason.Said("The name is wrong."), Advice: store.NeedsFix, Since: at.Add(time.Duration(i) * time.Second)})
	}
	for i, login := range []string{"b", "a"} {
		g.Add(login, &store.Problem{Kind: store.Unreachable, Server: store.NewSide, Host: "new.example", Summary: reason.Said(fmt.Sprint("try ", i)),
			Advice: store.RetryLater, Since: at, Retry: at.Add(time.Duration(9-i) * time.Minute), Folder: fmt.Sprint(i)})
	}
	g.Add("c", &store.Problem{Kind: store.OverQuota, Server: store.NewSide, Host: "new.example", Summary: reason.Said("Full."), Advice: store.RetryLater, Since: at, Retry: at, Folder: "INBOX"})
	g.Add("d", &store.Problem{Summary: reason.Said("Of an earlier version."), Advice: store.NeedsFix, Since: at})
	soon := at.Add(8 * time.Minute)
	want := []Cause{
		{Kind: store.CertificateName, Server: store.OldSide, Host: "old.example", NeedsPerson: true, Mend: Servers, Accounts: 1000,
			Logins: []string{"u000@a.example", "u001@a.example", "u002@a.example", "u003@a.example", "u004@a.example"}, Text: reason.Said("The name is wrong."), Same: true, Since: at},
		{Kind: store.OverQuota, Server: store.NewSide, Host: "new.example", NeedsPerson: true, Mend: Room, Accounts: 1, Logins: []string{"c"}, Text: reason.Said("Full."), Same: true, Folder: "INBOX", Since: at, Retry: &at},
		{Kind: store.Unexpected, NeedsPerson: true, Mend: Again, Accounts: 1, Logins: []string{"d"}, Text: reason.Said("Of an earlier version."), Same: true, Since: at},
		{Kind: store.Unreachable, Server: store.NewSide, Host: "new.example", Mend: Wait, Accounts: 2, Logins: []string{"a", "b"}, Text: reason.Said("try 0"), Since: at, Retry: &soon},
	}
	got := g.Causes()
	for i := range want {
		if i >= len(got) || !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("cause %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d causes, want %d", len(got), len(want))
	}
	if none := new(Gathering).Causes(); none == nil || len(none) != 0 {
		t.Errorf("of nothing: %#v", none)
	}
}

// TestMends: a kind has one mend, and each mend has words.
func TestMends(t *testing.T) {
	seen := map[store.ProblemKind]Mend{}
	for m, kinds := range mends {
		for _, k := range kinds {
			if other, ok := seen[k]; ok {
				t.Errorf("%s is mended by %s and by %s", k, m, other)
			}
			seen[k] = m
		}
	}
	words := map[string]Mend{}
	for _, m := range Mends() {
		if other, ok := words[m.What()]; ok {
			t.Errorf("%s and %s have the same words", m, other)
		}
		words[m.What()] = m
	}
}
