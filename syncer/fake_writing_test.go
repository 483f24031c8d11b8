package syncer

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

func (s *fakeSession) Create(_ context.Context, name string, _ imap.MailboxAttr) error {
	return s.step("CREATE", func() error {
		if s.folders[name] == nil {
			s.addLocked(name)
		}
		return nil
	})
}

func (s *fakeSession) CreateAll(ctx context.Context, folders []upstream.NewFolder) ([]bool, error) {
	made := make([]bool, len(folders))
	for i, f := range folders {
		err := s.Create(ctx, f.Name, f.Use)
		if session.BreaksConnection(err) {
			return made, err
		}
		made[i] = err == nil
	}
	return made, nil
}

func (s *fakeSession) Subscribe(_ context.Context, names []string) error {
	return s.step("SUBSCRIBE", func() error {
		for _, n := range names {
			if b := s.folders[n]; b != nil {
				b.sub = true
			}
		}
		return nil
	})
}

func (s *fakeSession) StoreFlags(_ context.Context, changes []upstream.FlagChange) error {
	return s.step("STORE", func() error {
		b := s.box
		for _, c := range changes {
			for _, m := range b.messages {
				if m.uid == c.UID {
					b.modseq++
					m.flags, m.modseq = changed(m.flags, c), b.modseq
					if s.fleeting { // its user may have changed others since the folder was opened
						m.stands.flags = changed(m.stands.flags, c)
					}
				}
			}
		}
		return nil
	})
}

func (s *fakeSession) ExpungeUIDs(_ context.Context, set imap.UIDSet) error {
	return s.step("EXPUNGE", func() error {
		s.box.messages = slices.DeleteFunc(s.box.messages, func(m *fakeMessage) bool {
			return set.Contains(m.uid) && message.ContainsFlag(m.flags, imap.FlagDeleted)
		})
		return nil
	})
}

func (s *fakeSession) CanMove() bool { return s.moves && s.uidplus }

// MoveUIDs moves within the open folder: first all are copied, then the former ones go.
func (s *fakeSession) MoveUIDs(_ context.Context, set imap.UIDSet, mailbox string) (moved upstream.Moved, told bool, err error) {
	var copied []*fakeMessage
	if err := s.step("MOVE", func() error {
		if s.folders[mailbox] != s.box {
			return refusedError("UID MOVE", imap.ResponseCodeNonExistent)
		}
		moved.UIDValidity = s.box.validity
		for _, m := range s.box.messages {
			if set.Contains(m.uid) {
				copied = append(copied, m)
			}
		}
		for _, m := range copied {
			moved.From, moved.To = append(moved.From, m.uid), append(moved.To, s.box.append(m.body, m.flags, m.date))
		}
		return nil
	}); err != nil {
		return upstream.Moved{}, false, err
	}
	err = s.step("MOVED", func() error {
		s.box.messages = slices.DeleteFunc(s.box.messages, func(m *fakeMessage) bool { return slices.Contains(copied, m) })
		return nil
	})
	return moved, !s.movesUntold && len(moved.From) > 0, err
}

// CopyUIDs copies from the open folder to any.
func (s *fakeSession) CopyUIDs(_ context.Context, set imap.UIDSet, mailbox string) (copied upstream.Moved, told bool, err error) {
	from := s.box
	store := func() (err error) {
		copied, err = s.copyTo(from, set, mailbox)
		return err
	}
	err = s.step("COPY", store)
	late, isLate := errors.AsType[lateError](err)
	hung, isHung := errors.AsType[hungError](err)
	if isLate || isHung {
		s.mu.Lock()
		defer s.mu.Unlock()
		l := &lateStore{int(late), func(late bool) {
			if store() == nil && late && s.stored != nil {
				s.stored(from.bodiesOf(copied.From))
			}
		}}
		if isHung {
			s.goesOn, s.hung, l.steps = hung, l, never
		}
		s.late = append(s.late, l)
		err = lostError("UID COPY")
	}
	copied = s.tellCopies(copied)
	told = len(copied.From) > 0 && s.uidplus && !s.fleeting
	return copied, told && err == nil, err
}

// copyTo is one COPY. The caller holds the lock.
func (s *fakeSession) copyTo(from *fakeFolder, set imap.UIDSet, mailbox string) (copied upstream.Moved, err error) {
	to := s.folders[mailbox]
	if to == nil {
		return copied, refusedError("UID COPY", imap.ResponseCodeTryCreate)
	}
	if err := s.refuseCopy(); err != nil {
		return copied, err
	}
	copied.UIDValidity = to.validity
	for _, m := range slices.Clone(from.messages) {
		if set.Contains(m.uid) {
			copied.From, copied.To = append(copied.From, m.uid), append(copied.To, to.append(m.body, m.flags, m.date))
		}
	}
	return copied, nil
}

// bodiesOf are the bodies of messages. The caller holds the lock.
func (b *fakeFolder) bodiesOf(uids []imap.UID) (bodies [][]byte) {
	for _, m := range b.messages {
		if slices.Contains(uids, m.uid) {
			bodies = append(bodies, m.body)
		}
	}
	return bodies
}

func changed(flags []imap.Flag, c upstream.FlagChange) []imap.Flag {
	return message.NormaliseFlags(append(message.WithoutFlags(flags, c.Remove), c.Add...))
}

func (s *fakeSession) AppendLimit() int64 { return 0 }

func (s *fakeSession) UIDPlus() bool { return s.uidplus }

func (s *fakeSession) Quotas(context.Context, string) ([]upstream.Quota, error) { return nil, nil }

func (s *fakeSession) SendPermanent(_ context.Context, name string) (session.PermanentCall, error) {
	return fakePermanent{s, name}, nil
}

type fakePermanent struct {
	s    *fakeSession
	name string
}

func (c fakePermanent) Wait(context.Context) (*upstream.Selected, error) {
	return &upstream.Selected{PermanentFlags: message.SystemFlags, AnyFlag: true}, c.s.step("PERMANENT", func() error {
		if c.s.folders[c.name] == nil {
			return refusedError("SELECT", imap.ResponseCodeNonExistent)
		}
		return nil
	})
}

func (s *fakeSession) SendStatus(ctx context.Context, name string) (session.StatusCall, error) {
	all, err := s.Status(ctx, []string{name})
	st, told := all[name]
	return fakeStatus{st, told}, err
}

type fakeStatus struct {
	st   upstream.Status
	told bool
}

func (c fakeStatus) Wait(context.Context) (upstream.Status, bool, error) { return c.st, c.told, nil }

// fakeReadBack is what a look at copies found when it was asked for.
type fakeReadBack struct {
	found []upstream.Message
	err   error
}

func (c fakeReadBack) Wait(context.Context) ([]upstream.Message, error) { return c.found, c.err }

func (s *fakeSession) SendReadBack(_ context.Context, name string, uidValidity uint32, set, sizes imap.UIDSet) (session.ReadBackCall, error) {
	var found []upstream.Message
	err := s.step("READBACK", func() error {
		b := s.folders[name]
		if b == nil {
			return refusedError("EXAMINE", imap.ResponseCodeNonExistent)
		}
		for _, m := range b.messages {
			if !s.fleeting && b.validity == uidValidity && (set.Contains(m.uid) || sizes.Contains(m.uid)) {
				found = append(found, m.line())
			}
		}
		return nil
	})
	return fakeReadBack{found, err}, nil
}

func (s *fakeSession) Unsubscribe(_ context.Context, name string) error {
	return s.step("UNSUBSCRIBE", func() error {
		if b := s.folders[name]; b != nil {
			b.sub = false
		}
		return nil
	})
}

func (s *fakeSession) Subscribed(_ context.Context, name string) (is bool, err error) {
	err = s.step("LSUB", func() error {
		is = s.folders[name] != nil && s.folders[name].sub
		return nil
	})
	return is, err
}

func (s *fakeSession) HasLabels() bool { return false }

func (s *fakeSession) Labels(context.Context, imap.UIDSet, func(upstream.Labelled) error) error {
	return nil
}
