package reorder

import (
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

// span are the UIDs from one to another.
func span(from, to imap.UID) (uids []imap.UID) {
	for uid := from; uid <= to; uid++ {
		uids = append(uids, uid)
	}
	return uids
}

func TestPlan(t *testing.T) {
	tests := map[string]struct {
		lines, strangers []imap.UID
		want             []string
	}{
		"nothing there":            {},
		"in order":                 {lines: span(1, 300)},
		"newest first":             {lines: slices.Concat(span(201, 1000), span(51, 200), span(1, 50)), want: []string{"51:200", "1:50"}},
		"some oldest came before":  {lines: slices.Concat(span(1, 30), span(231, 1000), span(31, 230)), want: []string{"31:230"}},
		"some were removed":        {lines: slices.Concat(span(201, 1000), span(60, 70), span(80, 200), span(2, 50)), want: []string{"60:70,80:200", "2:50"}},
		"late ones at the old one": {lines: slices.Concat(span(201, 1000), span(1, 200), span(1001, 1010)), want: []string{"1:200,1001:1010"}},
		// A stranger that was in between belongs behind, in its place among the late ones.
		"mail came to the new one": {lines: slices.Concat(span(201, 499), span(501, 1000), span(1, 200)), strangers: []imap.UID{500, 2000}, want: []string{"1:200,500,2000"}},
		"between":                  {lines: slices.Concat(span(301, 400), span(401, 1000), span(1, 200)), strangers: []imap.UID{250}, want: []string{"1:200,250"}},
		"it was there before":      {lines: slices.Concat(span(301, 1000), span(101, 300)), strangers: span(1, 100), want: []string{"101:300"}},
		"hits of a search":         {lines: slices.Concat(span(201, 600), span(150, 160), span(601, 2000), span(1, 100)), want: []string{"1:100"}},
		"only hits of a search":    {lines: slices.Concat(span(201, 600), span(1, 10), span(601, 2000))},
		"too much since":           {lines: slices.Concat(span(201, 1000), span(1, 200)), strangers: span(2000, 2700)},
		"a large window":           {lines: slices.Concat(span(2501, 9000), span(1, 2500)), want: []string{"1:1000", "1001:2000", "2001:2500"}},
		"upside down":              {lines: []imap.UID{5, 4, 3, 2, 1}, want: []string{"5", "4", "3", "2", "1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, part := range Plan(tt.lines, tt.strangers) {
				got = append(got, part.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestPlanPutsTheNewestLast: whatever the order, afterwards what was out of place near the end is
// in its place, no message is moved twice, and none that isn't there.
func TestPlanPutsTheNewestLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.Permutation(span(1, imap.UID(rapid.IntRange(0, 60).Draw(t, "messages")))).Draw(t, "order")
		cut := rapid.IntRange(0, len(all)).Draw(t, "strangers")
		lines, strangers := all[cut:], all[:cut]
		next, moved := imap.UID(1000), map[imap.UID]imap.UID{}
		for _, part := range Plan(lines, strangers) {
			uids, _ := part.Nums()
			for _, uid := range uids {
				if _, twice := moved[uid]; twice || !slices.Contains(all, uid) {
					t.Fatalf("%d is moved twice, or isn't there", uid)
				}
				moved[uid], next = next, next+1
			}
		}
		if len(moved) == 0 {
			return
		}
		var after []imap.UID
		for _, uid := range lines {
			if to := moved[uid]; to != 0 {
				after = append(after, to)
			} else if len(after) > 0 {
				t.Fatalf("%v with %v: %d stays behind what was moved", lines, strangers, uid)
			}
		}
		if !slices.IsSorted(after) {
			t.Fatalf("%v with %v: what was moved is in the order %v", lines, strangers, after)
		}
	})
}
