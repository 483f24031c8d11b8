package mailbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream"
)

// An old server is only read, so that no probe is possible there: mailboxes are the same if
// all that can be told of them is, and that is enough to tell two people's apart.
const (
	// sampleFolders is of how many folders messages are compared, sampleMessages of how many.
	sampleFolders  = 3
	sampleMessages = 20
	// alikeMessages is how many must be the same in all they have for strangers' logins;
	// welcome letters of two accounts made within one second are.
	alikeMessages = 10
)

// sameOld tells whether another account's login leads to the claimant's mailbox at the old server.
func (c *claimant) sameOld(ctx context.Context, other store.Account) (bool, error) {
	if other.Old.Login == c.pair.OldCreds.Login {
		return true, nil
	}
	if !c.pair.Traits().Folders {
		return false, &unprovedError{"by " + c.pair.Old.End.Server.Protocol.Title() + " two logins of one mailbox can't be told from two mailboxes"}
	}
	mine, err := c.pair.Source(ctx)
	if err != nil {
		return false, err
	}
	end := c.pair.Old.End
	theirs, err := c.Dial.Old(ctx, end.Server, other.Old, c.options(end))
	if err != nil {
		return false, err
	}
	defer theirs.Close()
	_, mineNow, err := mine.Tree(ctx, true, nil) // as late as theirs: mail may have come since
	if err != nil {
		return false, err
	}
	_, theirsNow, err := theirs.Tree(ctx, true, nil)
	if err != nil || !sameNumbers(mineNow, theirsNow) {
		return false, err
	}
	n, err := sameMail(ctx, mine, theirs, mineNow)
	switch {
	case err != nil || n < 0:
		return false, err
	case n >= alikeMessages || n > 0 && sameName(other.Old.Login, c.pair.OldCreds.Login):
		return true, nil
	}
	return false, &unprovedError{fmt.Sprintf("they look alike, but hold too little mail to be sure (%d messages compared)", n)}
}

// sameNumbers tells whether folders have the same names and numbering, but for one that may
// have come or gone between the two looks.
func sameNumbers(mine, theirs map[string]upstream.Status) bool {
	common := 0
	for name, st := range mine {
		other, both := theirs[name]
		if both && other.UIDValidity != st.UIDValidity {
			return false
		}
		if both {
			common++
		}
	}
	return len(mine)+len(theirs)-2*common <= 1
}

// sameMail compares the newest messages of the folders that have most of them and returns how
// many are the same; -1 if some are not.
func sameMail(ctx context.Context, mine, theirs session.Source, status map[string]upstream.Status) (int, error) {
	n := 0
	for _, name := range fullest(status, sampleFolders) {
		left, err := sampleOf(ctx, mine, name, status[name].UIDNext)
		if err != nil {
			return 0, err
		}
		right, err := sampleOf(ctx, theirs, name, status[name].UIDNext)
		if err != nil {
			return 0, err
		}
		for uid, what := range left {
			other, both := right[uid] // one that is not has just been removed
			if both && other != what {
				return -1, nil
			}
			if both {
				n++
			}
		}
	}
	return n, nil
}

// fullest are the n folders with most messages.
func fullest(status map[string]upstream.Status, n int) []string {
	names := slices.SortedFunc(maps.Keys(status), func(a, b string) int {
		if d := int(status[b].Messages) - int(status[a].Messages); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names[:min(len(names), n)]
}

// sampleOf describes the newest messages below a UID.
func sampleOf(ctx context.Context, s session.Source, name string, next imap.UID) (map[imap.UID]string, error) {
	f, err := s.Open(ctx, name, session.OpenWith{})
	if err != nil || f.Messages == 0 || next < 2 {
		return nil, err
	}
	sample := map[imap.UID]string{}
	from := imap.UID(1)
	if next > sampleMessages {
		from = next - sampleMessages
	}
	set := imap.UIDSet{imap.UIDRange{Start: from, Stop: next - 1}}
	err = s.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		sample[m.UID] = fmt.Sprint(m.Size, " ", string(header))
		return nil
	})
	return sample, err
}

// sameName tells whether two logins name one person: they differ in case only, or in
// that one of them has a domain.
func sameName(a, b string) bool {
	left, leftDomain, _ := strings.Cut(strings.ToLower(a), "@")
	right, rightDomain, _ := strings.Cut(strings.ToLower(b), "@")
	return left == right && (leftDomain == rightDomain || leftDomain == "" || rightDomain == "")
}
