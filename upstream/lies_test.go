package upstream

import (
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/upstream/link"
)

// TestLieLearntByAnother: another session finds out that the server does not keep what
// it announces just before this one is refused for asking. That is no refusal of the folders.
func TestLieLearntByAnother(t *testing.T) {
	without := func(name string) string {
		return strings.Join(slices.DeleteFunc(strings.Fields(lab.OddCaps), func(c string) bool { return c == name }), " ")
	}
	for _, lie := range []imap.Cap{imap.CapCondStore, imap.CapStatusSize, imap.CapListStatus, imap.CapListExtended} {
		t.Run(string(lie), func(t *testing.T) {
			opt := testOptions(t)
			server := lab.StartOdd(t, lab.OddOptions{Caps: without(string(lie)), Lies: string(lie), Answer: func(*lab.OddConn) string {
				opt.Quirks.Distrust(lie)
				return ""
			}})
			server.Create("Work")
			s, err := Dial(t.Context(), server.Server(), opt)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Login(t.Context(), ann); err != nil {
				t.Fatal(err)
			}
			*opt.Quirks = link.Quirks{} // nothing is known when it asks
			st, err := s.Tree.Status(t.Context(), []string{"INBOX", "Work"})
			if err != nil || len(st) != 2 || st["Work"].UIDValidity == 0 {
				t.Errorf("STATUS: %+v, %v", st, err)
			}
			*opt.Quirks = link.Quirks{}
			_, boxes, err := s.Tree.Folders(t.Context(), true)
			if err != nil || len(boxes) != 2 {
				t.Errorf("LIST: %+v, %v", boxes, err)
			}
			*opt.Quirks = link.Quirks{}
			if sel, err := s.Opener.Examine(t.Context(), "Work"); err != nil || sel.UIDValidity == 0 {
				t.Errorf("EXAMINE: %+v, %v", sel, err)
			}
		})
	}
}
