package syncer

import (
	"slices"

	"github.com/emersion/go-imap/v2"
)

// keep remembers a folder as it is and returns what puts the server back to that, as a
// backup does that is restored: UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ and all.
func (f *fakeServer) keep(name string) (putBack func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.folders[name].copied()
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.folders[name].void = true
		f.folders[name] = was.copied()
	}
}

func (b *fakeFolder) copied() *fakeFolder {
	c := *b
	c.messages = nil
	for _, m := range b.messages {
		msg := *m
		msg.flags = slices.Clone(m.flags)
		c.messages = append(c.messages, &msg)
	}
	return &c
}

// highest is the highest UID of a folder's messages with a body.
func (f *fakeServer) highest(name, body string) (uid imap.UID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if b := f.folders[name]; b != nil {
		for _, m := range b.messages {
			if string(m.body) == body {
				uid = m.uid
			}
		}
	}
	return uid
}

// number gives a folder's messages other UIDs under the same UIDVALIDITY, from one on
// and in an order, as Dovecot does whose list of UIDs was lost.
func (f *fakeServer) number(name string, from imap.UID, order func(a, b *fakeMessage) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.folders[name].copied()
	f.folders[name].void = true
	if order != nil {
		slices.SortStableFunc(b.messages, order)
	}
	for _, m := range b.messages {
		m.uid = from
		from++
	}
	b.next = from
	f.folders[name] = b
}

// setModSeq makes a folder count changes from n on, as an index does that was made anew.
func (f *fakeServer) setModSeq(name string, n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.folders[name]
	b.modseq = n
	for _, m := range b.messages {
		m.modseq = min(m.modseq, n)
	}
}

// moveMail moves a message with a body to another folder, as IMAP MOVE does.
func (f *fakeServer) moveMail(from, to, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, b := f.folders[from], f.folders[to]
	for i, m := range a.messages {
		if string(m.body) == body {
			a.messages = slices.Delete(a.messages, i, i+1)
			a.modseq++
			b.append(m.body, m.flags, m.date)
			return
		}
	}
}
