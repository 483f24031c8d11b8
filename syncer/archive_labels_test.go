package syncer

import (
	"context"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// gmailSession is a session with a server that tells labels, as Gmail does: those of a message
// are the other folders that have it.
type gmailSession struct {
	*fakeSession
	untold string // the labels of this message are not told
}

func (s gmailSession) HasLabels() bool { return true }

func (s gmailSession) Labels(_ context.Context, set imap.UIDSet, fn func(upstream.Labelled) error) error {
	var told []upstream.Labelled
	err := s.each("LABELS", set, func(m *fakeMessage) error {
		if string(m.body) == s.untold {
			return nil
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		l := upstream.Labelled{UID: m.uid, ID: gmailID(m.body)}
		for name, f := range s.folders {
			if f != s.box && slices.ContainsFunc(f.messages, func(other *fakeMessage) bool { return string(other.body) == string(m.body) }) {
				l.Labels = append(l.Labels, labelOf(name, f))
			}
		}
		told = append(told, l)
		return nil
	})
	for _, l := range told {
		if ferr := fn(l); ferr != nil {
			return ferr
		}
	}
	return err
}

// gmailID is the id that a message has in all its folders.
func gmailID(body []byte) uint64 {
	id := fnv.New64a()
	_, _ = id.Write(body)
	return id.Sum64()
}

// labelOf is what Gmail calls a folder.
func labelOf(name string, f *fakeFolder) string {
	for attr, label := range map[imap.MailboxAttr]string{
		imap.MailboxAttrSent: `\Sent`, imap.MailboxAttrDrafts: `\Draft`, imap.MailboxAttrFlagged: `\Starred`, imap.MailboxAttrImportant: `\Important`,
	} {
		if slices.Contains(f.attrs, attr) {
			return label
		}
	}
	if name == "INBOX" {
		return `\Inbox`
	}
	return name
}

func newGmailRig(t *testing.T, untold string) *allMailRig {
	t.Helper()
	r := newAllMailRig(t)
	r.dialOld = func(_ context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		s, err := r.pair.dial(server, c, opt)
		return session.IMAPSource{IMAPReader: gmailSession{s, untold}}, err
	}
	for name, attr := range map[string]imap.MailboxAttr{
		"[Gmail]/Sent Mail": imap.MailboxAttrSent, "[Gmail]/Drafts": imap.MailboxAttrDrafts, "[Gmail]/Starred": imap.MailboxAttrFlagged, "[Gmail]/Important": imap.MailboxAttrImportant,
	} {
		r.pair.old.add(name).attrs = []imap.MailboxAttr{attr}
	}
	return r
}

// allMailRigs are rigs of old servers where what lies in all mail only shows by what the other folders have, and by labels.
var allMailRigs = map[string]func(*testing.T) *allMailRig{
	"plain": newAllMailRig,
	"Gmail": func(t *testing.T) *allMailRig { return newGmailRig(t, "") },
}

// twin looks like mail(n) and is another message.
func twin(n int) string { return strings.Replace(mail(n), "Text", "text", 1) }

// TestArchivedAtGmail: labels tell what is archived: what has none that is a folder.
func TestArchivedAtGmail(t *testing.T) {
	r := newGmailRig(t, "")
	r.cfg.Domains[0].Folders.Skip = []string{"Private"}
	r.arrives(1, "INBOX")
	r.arrives(2, "INBOX", "Work")
	r.arrives(3, "[Gmail]/Sent Mail")
	r.arrives(4, "[Gmail]/Drafts")
	r.arrives(5, "Private")
	r.arrives(6, "[Gmail]/Starred")
	r.arrives(7, "[Gmail]/Important")
	r.arrives(8)
	r.pair.old.deliver("All", twin(1)) // archived, and looks like the one in INBOX
	r.start(false)
	r.pass(9) // 1, twice 2, 3, 4, and what is archived: 6, 7, 8 and the twin
	archive := func(want ...string) {
		t.Helper()
		if got := sorted(r.pair.new.bodies("Archive")); !slices.Equal(got, sorted(want)) {
			t.Errorf("the archive has %q", got)
		}
	}
	archive(mail(6), mail(7), mail(8), twin(1))
	if n := r.pair.old.count("HEADERS"); n > 4 {
		t.Errorf("headers were asked for %d times", n)
	}
	r.pass(0)
	r.pair.old.remove("INBOX", mail(1)) // archived now
	r.arrives(9)
	r.pass(1)
	archive(mail(6), mail(7), mail(8), mail(9), twin(1))
	r.pair.new.remove("Archive", mail(6))
	r.pair.new.remove("INBOX", mail(1))
	r.pair.old.renumber("All")
	r.pass(0)
	archive(mail(7), mail(8), mail(9), twin(1))
	if got := r.leftOutOf(); got["Private"] != 1 || got["All"] != 0 {
		t.Errorf("left out %v", got)
	}
}

// TestArrivesMeanwhileAtGmail: what arrives while a pass runs has its label at once.
func TestArrivesMeanwhileAtGmail(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newGmailRig(t, "")
		r.arrives(1, "INBOX")
		r.arrives(7)
		once := false
		old := r.pair.old
		old.fail(func(step string) error {
			if step == "+LABELS" && !once {
				once = true
				for _, name := range []string{"INBOX", "All"} {
					old.folders[name].append([]byte(mail(3)), nil, old.folders[name].messages[0].date)
				}
			}
			return nil
		})
		r.start(false)
		r.sync()
		r.pass(1)
		r.has("INBOX", 1, 3)
		r.has("Archive", 7)
	})
}

// TestLabelsUntold: messages whose labels are not told are compared with the others.
func TestLabelsUntold(t *testing.T) {
	for name, untold := range map[string]int{"in a folder": 1, "archived": 7, "in a folder that is left alone": 2} {
		t.Run(name, func(t *testing.T) {
			r := newGmailRig(t, mail(untold))
			r.cfg.Domains[0].Folders.Skip = []string{"Private"}
			r.arrives(1, "INBOX")
			r.arrives(2, "Private")
			r.arrives(7)
			r.start(false)
			r.pass(2)
			r.has("INBOX", 1)
			r.has("Archive", 7)
			r.pass(0)
		})
	}
}
