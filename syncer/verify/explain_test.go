package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// TestInterruptedMove: between a MOVE within a folder that broke off and its settling nobody has
// removed what is not where it was.
func TestInterruptedMove(t *testing.T) {
	t.Parallel()
	moving := store.Order{State: store.OrderNewest, Moving: "1:2,4", UIDValidity: 7, UIDNext: 100}
	old := rec(1, 1, 9, 5, 0, 0)
	for name, tt := range map[string]struct {
		order store.Order
		new   []record
		lines []imap.UID // that the ledger has of other messages
		want  string
	}{
		"removed":          {want: "removed 1-0"},
		"not one of them":  {order: store.Order{State: store.OrderNewest, Moving: "2:4", UIDValidity: 7, UIDNext: 100}, want: "removed 1-0"},
		"another folder":   {order: store.Order{State: store.OrderNewest, Moving: "1", UIDValidity: 6, UIDNext: 100}, want: "removed 1-0"},
		"between places":   {order: moving, want: "missing 1-0 was being moved"},
		"moved":            {order: moving, new: []record{rec(1, 100, 9, 5, 0, 0)}, want: ""},
		"in both places":   {order: moving, new: []record{rec(1, 1, 9, 5, 0, 0), rec(1, 100, 9, 5, 0, 0)}, want: "doubled 0-100 a move"},
		"altered, moved":   {order: moving, new: []record{rec(2, 100, 8, 5, 0, 0)}, want: "altered 1-100"},
		"another's copy":   {order: moving, new: []record{rec(2, 100, 8, 5, 0, 0)}, lines: []imap.UID{100}, want: "extra 0-100; missing 1-0 was being moved"},
		"came meanwhile":   {order: moving, new: []record{rec(2, 100, 8, 6, 0, 0)}, want: "extra 0-100; missing 1-0 was being moved"},
		"was there before": {order: moving, new: []record{rec(2, 99, 8, 5, 0, 0)}, want: "extra 0-99; missing 1-0 was being moved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &folderPair{flags: newFlagTable(), newSel: &upstream.Selected{UIDValidity: 7}, oldSel: &session.SourceFolder{Keys: session.IMAPKeys(5)}}
			p.ID, p.Order = 1, tt.order
			p.oldSel.UIDValidity = 5
			var err error
			if p.matcher, err = match([]record{old}, tt.new, false, nil); err != nil {
				t.Fatal(err)
			}
			lines := []store.Entry{{Key: message.IMAPKey(5, 1), UIDValidity: 7, UID: 1}}
			for _, uid := range tt.lines {
				lines = append(lines, store.Entry{Key: message.IMAPKey(5, uid), UIDValidity: 7, UID: uid})
			}
			if got := explained(p, store.Ledger{Entries: lines}); got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want)) {
				t.Errorf("%q; want %q", got, tt.want)
			}
		})
	}
}

// explained are the findings with their reasons, as OLD-NEW.
func explained(p *folderPair, ledger store.Ledger) string {
	reasons := newExplainer(p, ledger).all()
	var all []string
	for _, v := range p.verdicts {
		f := p.finding(v)
		if v.new == nobody && reasons[v.old] != "" {
			f.Reason = reasons[v.old]
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %d-%d %s", f.Kind, f.OldUID, f.NewUID, f.Reason)))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}
