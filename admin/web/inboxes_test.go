package web

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/admin/board"
)

// TestInboxesReady: while inboxes are ahead of the rest it is said how many people can work with theirs.
func TestInboxesReady(t *testing.T) {
	pages, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	site := New(&admin.Service{}, nil, zerolog.Nop(), pages)
	for _, tt := range []struct {
		inboxes, complete int
		shown             string
	}{{540, 3, "540 of 1,005"}, {1005, 1004, "1,005 of 1,005"}, {1005, 1005, ""}, {0, 0, ""}} {
		x := whole{W: pages.texts.in(pages.texts.languages[0]), D: &admin.DomainView{Name: "a.example"}}
		x.D.Totals = board.Totals{Accounts: 1005, Inboxes: tt.inboxes, Complete: tt.complete}
		page, err := site.frame.part("whole", x)
		if err != nil {
			t.Fatal(err)
		}
		if is := strings.Contains(page, "inboxes ready"); is != (tt.shown != "") || !strings.Contains(page, tt.shown) {
			t.Errorf("%d inboxes of 1,005, %d complete: shown: %v\n%s", tt.inboxes, tt.complete, is, page)
		}
	}
}
