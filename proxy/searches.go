package proxy

import (
	"bytes"
	"context"
	"crypto/rand"

	"postferry/wire"
)

// maxGathered bounds what is kept of a search of which a part has been passed on. Octets.
const maxGathered = 64 << 10

// searchVerbs search by themselves, or behind UID.
var searchVerbs = map[wire.Verb]bool{wire.VerbSearch: true, wire.VerbSort: true, wire.VerbThread: true, wire.VerbESearch: true}

// searches reports whether the command under way searches, as far as can be told.
func (u *upload) searches() bool {
	switch {
	case u.cmd == nil || !u.ferried():
		return false
	case searchVerbs[u.cmd.verb]:
		return !u.cut || len(u.gathered) > 0
	case u.cmd.verb != wire.VerbUID:
		return false
	case u.cut:
		return len(u.gathered) > 0
	}
	return uidSearches(u.b[min(u.begin+len(u.cmd.tag)+len(" UID "), len(u.b)):])
}

// uidSearches reports whether what follows UID is a search, or may become one.
func uidSearches(rest []byte) bool {
	for _, name := range []string{"SEARCH ", "SORT ", "THREAD "} {
		if n := min(len(name), len(rest)); bytes.EqualFold(rest[:n], []byte(name[:n])) {
			return true
		}
	}
	return false
}

// gather keeps what is passed on of a search: it is understood as a whole only.
func (u *upload) gather(part []byte) {
	if u.gathered = append(u.gathered, part...); len(u.gathered) > maxGathered {
		u.gathered = nil
	}
}

// search holds a search back while what it finds on the old server is copied first. What the
// client sent before goes on: it may open another folder.
func (u *upload) search(ctx context.Context) error {
	s, ok := wire.ParseSearch(append(u.gathered, u.b[u.begin:u.off]...))
	if !ok {
		return nil
	}
	if err := u.passBefore(); err != nil {
		return err
	}
	defer u.holding(heldBySearch)()
	waits, cancel := context.WithTimeout(ctx, u.srv.cfg.Proxy.SearchWait)
	defer cancel()
	stop := u.watchClient(cancel)
	looked := false
	if s.Selected {
		if name, open := u.flow.opened(waits); open {
			looked = u.srv.ferry.Search(waits, u.account().ID, name, s.Criteria)
		}
	}
	for _, name := range s.Folders {
		u.srv.ferry.Search(waits, u.account().ID, u.rawName(name), s.Criteria)
	}
	stop()
	u.sync()
	if looked && !u.cut {
		return u.refresh(ctx)
	}
	return nil
}

// refresh lets the new server take note of messages that have just come to the open folder:
// Dovecot searches in what it had seen when the last command ended. A search of the relay's own
// does that, and tells of no EXPUNGE, which the client could not have now (RFC 9051 section
// 7.5.1). The client sees only the EXISTS that comes of it.
func (u *upload) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshBound)
	defer cancel()
	if !u.flow.settled(ctx, u.cmd) {
		return nil // what it answers could not be told from what others are answered
	}
	cmd := u.flow.begin(ctx, "PF"+rand.Text(), wire.VerbSearch)
	if cmd == nil {
		return errLastWord
	}
	u.flow.hide(cmd)
	look := " SEARCH UID 1\r\n"
	if u.uidOnly.Load() { // the other one is refused, and VANISHED may come at any time
		look = " UID SEARCH UID 1\r\n"
	}
	if _, err := u.write([]byte(cmd.tag + look)); err != nil {
		return err
	}
	u.flow.settled(ctx, u.cmd)
	return nil
}
