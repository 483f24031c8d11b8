package recovery

import (
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestAskedAgain: what a server leaves out of an answer is asked for once more, and no more than that.
func TestAskedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		set   imap.UIDSet
		told  [][]imap.UID
		asked []string
	}{
		"all":             {imap.UIDSetNum(1, 2, 3), [][]imap.UID{{1, 2, 3}}, []string{"1:3"}},
		"one is left out": {imap.UIDSetNum(1, 2, 3), [][]imap.UID{{1, 3}, {2}}, []string{"1:3", "2"}},
		"one is gone":     {imap.UIDSetNum(4, 9), [][]imap.UID{{4}, nil}, []string{"4,9", "9"}},
		"without an end":  {imap.UIDSet{{Start: 4, Stop: 0}}, [][]imap.UID{{7}}, []string{"4:*"}},
	} {
		var asked []string
		err := askedAgain(tt.set, func(set imap.UIDSet, told func(imap.UID)) error {
			for _, uid := range tt.told[len(asked)] {
				told(uid)
			}
			asked = append(asked, set.String())
			return nil
		})
		if err != nil || !slices.Equal(asked, tt.asked) {
			t.Errorf("%s: asked for %q, want %q; %v", name, asked, tt.asked, err)
		}
	}
}
