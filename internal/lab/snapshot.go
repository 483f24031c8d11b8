package lab

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Snapshot is everything a client can see of a user's mail.
type Snapshot struct {
	Folders    map[string]*FolderSnapshot // by decoded name; without \Noselect
	Subscribed []string                   // sorted
}

// FolderSnapshot is one folder.
type FolderSnapshot struct {
	Attrs       []imap.MailboxAttr // special use only
	UIDValidity uint32
	UIDNext     imap.UID
	Messages    []MessageSnapshot // by UID
}

// MessageSnapshot is one message.
type MessageSnapshot struct {
	UID    imap.UID
	Recent bool
	Flags  []imap.Flag // sorted, without \Recent
	Date   time.Time   // INTERNALDATE, UTC
	Size   int64       // RFC822.SIZE
	Sum    string      // SHA-256 of the body, hex
}

// Snapshot reads all of a user's mail without changing it (EXAMINE, BODY.PEEK[]).
func (d *Dovecot) Snapshot(login string) *Snapshot {
	d.tb.Helper()
	c := d.Client(login)
	defer c.Close()
	return ReadSnapshot(d.tb, c)
}

// ReadSnapshot reads all mail a logged-in client can see, without changing it.
// Of a server without LIST-EXTENDED (RFC 5258) it knows no subscriptions, of
// one without SPECIAL-USE (RFC 6154) no uses.
func ReadSnapshot(tb testing.TB, c *imapclient.Client) *Snapshot {
	tb.Helper()
	snap := &Snapshot{Folders: map[string]*FolderSnapshot{}}
	extended := c.Caps().Has(imap.CapListExtended)
	boxes, err := c.List("", "*", &imap.ListOptions{
		ReturnSubscribed: extended, ReturnSpecialUse: extended && c.Caps().Has(imap.CapSpecialUse),
	}).Collect()
	if err != nil {
		tb.Fatalf("lab: snapshot: LIST: %v", err)
	}
	for _, box := range boxes {
		if slices.Contains(box.Attrs, imap.MailboxAttrSubscribed) {
			snap.Subscribed = append(snap.Subscribed, box.Mailbox)
		}
		if slices.Contains(box.Attrs, imap.MailboxAttrNoSelect) || slices.Contains(box.Attrs, imap.MailboxAttrNonExistent) {
			continue
		}
		folder, err := readFolder(c, box.Mailbox)
		if err != nil {
			tb.Fatalf("lab: snapshot: %s: %v", box.Mailbox, err)
		}
		folder.Attrs = specialUseAttrs(box.Attrs)
		snap.Folders[box.Mailbox] = folder
	}
	slices.Sort(snap.Subscribed)
	return snap
}

func specialUseAttrs(attrs []imap.MailboxAttr) []imap.MailboxAttr {
	uses := []imap.MailboxAttr{imap.MailboxAttrAll, imap.MailboxAttrArchive, imap.MailboxAttrDrafts,
		imap.MailboxAttrFlagged, imap.MailboxAttrJunk, imap.MailboxAttrSent, imap.MailboxAttrTrash}
	return slices.DeleteFunc(uses, func(use imap.MailboxAttr) bool { return !slices.Contains(attrs, use) })
}

func readFolder(c *imapclient.Client, name string) (*FolderSnapshot, error) {
	data, err := c.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return nil, err
	}
	folder := &FolderSnapshot{UIDValidity: data.UIDValidity, UIDNext: data.UIDNext}
	if data.NumMessages == 0 {
		return folder, nil
	}
	fetch := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, RFC822Size: true,
		BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	})
	for line := fetch.Next(); line != nil; line = fetch.Next() {
		m, err := readMessage(line)
		if err != nil {
			return nil, errors.Join(err, fetch.Close())
		}
		folder.Messages = append(folder.Messages, m)
	}
	if err := fetch.Close(); err != nil {
		return nil, err
	}
	if len(folder.Messages) != int(data.NumMessages) {
		return nil, fmt.Errorf("%d messages announced, %d sent", data.NumMessages, len(folder.Messages))
	}
	slices.SortFunc(folder.Messages, func(a, b MessageSnapshot) int { return int(a.UID) - int(b.UID) })
	return folder, nil
}

func readMessage(line *imapclient.FetchMessageData) (MessageSnapshot, error) {
	var m MessageSnapshot
	for item := line.Next(); item != nil; item = line.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			m.UID = item.UID
		case imapclient.FetchItemDataFlags:
			m.Recent = slices.Contains(item.Flags, `\Recent`)
			m.Flags = slices.DeleteFunc(item.Flags, func(f imap.Flag) bool { return f == `\Recent` })
			slices.Sort(m.Flags)
		case imapclient.FetchItemDataInternalDate:
			m.Date = item.Time.UTC()
		case imapclient.FetchItemDataRFC822Size:
			m.Size = item.Size
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				return m, fmt.Errorf("UID %d has no body", m.UID)
			}
			hash := sha256.New()
			n, err := io.Copy(hash, item.Literal)
			if err != nil {
				return m, err
			}
			if n != item.Literal.Size() {
				return m, fmt.Errorf("body cut: %d of %d octets", n, item.Literal.Size())
			}
			m.Sum = fmt.Sprintf("%x", hash.Sum(nil))
		}
	}
	if m.UID == 0 || m.Sum == "" {
		return m, fmt.Errorf("message %d lacks its UID or body", line.SeqNum)
	}
	return m, nil
}

// Diff describes every difference to a later snapshot of the same server:
// folders, UIDs, flags, \Recent, dates, sizes, bodies, subscriptions. It
// returns "" if nothing changed.
func (s *Snapshot) Diff(later *Snapshot) string {
	var out strings.Builder
	if !slices.Equal(s.Subscribed, later.Subscribed) {
		fmt.Fprintf(&out, "subscribed: %q, then %q\n", s.Subscribed, later.Subscribed)
	}
	for _, name := range allNames(s, later) {
		a, b := s.Folders[name], later.Folders[name]
		if a == nil || b == nil {
			fmt.Fprintf(&out, "%s: exists %t, then %t\n", name, a != nil, b != nil)
			continue
		}
		if a.UIDValidity != b.UIDValidity || a.UIDNext != b.UIDNext || !slices.Equal(a.Attrs, b.Attrs) {
			fmt.Fprintf(&out, "%s: UIDVALIDITY %d UIDNEXT %d %v, then %d %d %v\n",
				name, a.UIDValidity, a.UIDNext, a.Attrs, b.UIDValidity, b.UIDNext, b.Attrs)
		}
		lines := func(f *FolderSnapshot) (out []string) {
			for _, m := range f.Messages {
				out = append(out, fmt.Sprintf("UID %d recent %t size %d %s", m.UID, m.Recent, m.Size, m.identity()))
			}
			return out
		}
		out.WriteString(diffLines(name, lines(a), lines(b)))
	}
	return out.String()
}

// SameMail describes every message that is not on both servers equally often,
// with the same body, flags and INTERNALDATE. rename tells what a folder of
// old is called in new; nil if names are the same, "" to leave a folder out. It
// returns "" if old and new hold the same mail; folders of new that are empty
// and unknown to old don't count.
func SameMail(old, new *Snapshot, rename func(string) string) string {
	var out strings.Builder
	left := maps.Clone(new.Folders)
	for _, name := range slices.Sorted(maps.Keys(old.Folders)) {
		target := name
		if rename != nil {
			target = rename(name)
		}
		if target == "" {
			continue
		}
		folder := left[target]
		if folder == nil {
			fmt.Fprintf(&out, "%s: there is no %s on the new server\n", name, target)
			continue
		}
		delete(left, target)
		out.WriteString(diffLines(target, old.Folders[name].mail(), folder.mail()))
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		out.WriteString(diffLines(name, nil, left[name].mail()))
	}
	return out.String()
}

func (f *FolderSnapshot) mail() []string {
	var out []string
	for _, m := range f.Messages {
		out = append(out, m.identity())
	}
	return out
}

func (m MessageSnapshot) identity() string {
	return fmt.Sprintf("%v %s sha256 %s", m.Flags, m.Date.Format(time.RFC3339), m.Sum)
}

// diffLines lists what is only in before (-) and only in after (+), counting
// multiplicity; the first ten of each.
func diffLines(name string, before, after []string) string {
	count := map[string]int{}
	for _, line := range before {
		count[line]--
	}
	for _, line := range after {
		count[line]++
	}
	var out strings.Builder
	shown := map[bool]int{}
	for _, line := range slices.Sorted(maps.Keys(count)) {
		n := count[line]
		if n == 0 {
			continue
		}
		if shown[n > 0]++; shown[n > 0] <= 10 {
			fmt.Fprintf(&out, "%s: %+d %s\n", name, n, line)
		}
	}
	if shown[true] > 10 || shown[false] > 10 {
		fmt.Fprintf(&out, "%s: in all %d missing or changed, %d added or changed\n", name, shown[false], shown[true])
	}
	return out.String()
}

func allNames(a, b *Snapshot) []string {
	all := maps.Clone(a.Folders)
	maps.Copy(all, b.Folders)
	return slices.Sorted(maps.Keys(all))
}
