package admin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
)

func parsedList(t *testing.T, text string) *config.AccountList {
	t.Helper()
	l, err := config.ReadAccounts(strings.NewReader(text), config.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestListsExpire: what waits is forgotten in the end, and bounded.
func TestListsExpire(t *testing.T) {
	l, now := newLists(), time.Now()
	if err := l.add(now, &list{domain: "a", parsed: parsedList(t, "x y")}); err != nil {
		t.Fatal(err)
	}
	var id string
	for id = range l.byID {
	}
	if _, err := l.get(now.Add(listLife-time.Second), store.Digest{}, "a", id); err != nil {
		t.Error(err)
	}
	if _, err := l.get(now.Add(listLife+time.Second), store.Digest{}, "a", id); err == nil {
		t.Error("a list never expires")
	}
	for i := range maxLists {
		if err := l.add(now, &list{domain: fmt.Sprint(i), parsed: parsedList(t, "x y")}); (err == nil) != (i < maxListsAll-1) {
			t.Fatalf("list %d: %v", i, err)
		}
	}
	if err := l.add(now, &list{domain: "3", parsed: parsedList(t, "x y")}); err != nil {
		t.Errorf("a list can't take the place of its owner's last one: %v", err)
	}
	if err := l.add(now.Add(2*listLife), &list{domain: "z", parsed: parsedList(t, "x y")}); err != nil || len(l.byID) != 1 {
		t.Errorf("expired lists stay: %d, %v", len(l.byID), err)
	}
}

// A list that nobody takes is not kept, with its passwords, until the next one comes.
func TestListsAreSwept(t *testing.T) {
	l, now := newLists(), time.Now()
	for i := range 3 {
		if err := l.add(now.Add(time.Duration(i)*time.Minute), &list{domain: fmt.Sprint(i), scope: fmt.Sprint(i), parsed: parsedList(t, "x y")}); err != nil {
			t.Fatal(err)
		}
	}
	l.DropExpired(now.Add(listLife + 90*time.Second))
	if lists, accounts := held(l.waiting, maxLists), held(l.accounts, maxListed); len(l.byID) != 1 || lists != 1 || accounts != 1 {
		t.Errorf("%d lists are kept, with the places of %d and of %d accounts", len(l.byID), lists, accounts)
	}
}

// held is how many places of all domains are not free.
func held(p *access.Places, domains int) int {
	free := 0
	for p.Take(fmt.Sprint("free ", free), 1) {
		free++
	}
	return domains - free
}
