package recovery

import (
	"cmp"
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
)

// presentUIDs is what the new folder shows: UIDs of any messages, all below next.
type presentUIDs struct {
	Validity uint32
	Next     imap.UID
	UIDs     map[imap.UID]struct{}
}

// removedSince finds the intents whose messages must have arrived although they are not in
// the new folder any more: somebody has moved or deleted them before it was known that they
// were there. A message takes a UID when it arrives, in the order in which they were sent, so
// that a gap between two that were sent one after the other is as many messages, unless
// something else is there; and of a command with several messages a server stores all or
// nothing (RFC 3502). copies are what was found of the intents; UID 0 for nothing. Of messages
// that are alike each gets the copy that stands in its place.
func removedSince(intents []store.Intent, copies []message.Candidate, there presentUIDs) map[int]bool {
	s := &sentMessages{intents: intents, copies: copies, there: there, alike: alikeOf(intents), removed: map[int]bool{}}
	for _, run := range runsOf(intents, there.Validity) {
		anchors := s.anchors(run)
		for n := range anchors {
			if n > 0 && s.consecutive(anchors[n-1], anchors[n]) && s.mayBeAll(between(run, anchors[n-1], anchors[n]), anchors[n-1]) {
				s.fill(run, anchors[n-1], anchors[n-1].at, anchors[n].at)
			}
		}
		s.together(run, anchors)
	}
	return s.removed
}

// sentMessages are what removedSince decides about.
type sentMessages struct {
	intents []store.Intent
	copies  []message.Candidate
	there   presentUIDs
	alike   map[lookOf][]int // places in intents
	removed map[int]bool
}

// lookOf is what messages that are alike have in common.
type lookOf struct {
	print store.Fingerprint
	size  uint32
}

func alikeOf(intents []store.Intent) map[lookOf][]int {
	alike := map[lookOf][]int{}
	for i, in := range intents {
		look := lookOf{in.Fingerprint, in.Size}
		alike[look] = append(alike[look], i)
	}
	return alike
}

func (s *sentMessages) alikeTo(i int) []int {
	return s.alike[lookOf{s.intents[i].Fingerprint, s.intents[i].Size}]
}

// sentAt is an intent by its place in the list and its place among what was sent with it.
type sentAt struct{ i, at int }

// runsOf are the intents of batches that were sent one after the other, in that order.
func runsOf(intents []store.Intent, uidValidity uint32) (runs [][]sentAt) {
	by := map[uint64][]int{}
	for i, in := range intents {
		if in.Batch != 0 && in.UIDValidity == uidValidity && uidValidity != 0 {
			by[in.Batch] = append(by[in.Batch], i)
		}
	}
	var run []sentAt
	first, last := 0, uint64(0)
	for _, batch := range slices.Sorted(maps.Keys(by)) {
		if batch != last+1 && len(run) > 0 {
			runs, run, first = append(runs, run), nil, 0
		}
		for _, i := range slices.SortedFunc(slices.Values(by[batch]), func(a, b int) int { return cmp.Compare(intents[a].Place, intents[b].Place) }) {
			run = append(run, sentAt{i, first + int(intents[i].Place)})
		}
		first, last = run[len(run)-1].at+1, batch
	}
	if len(run) > 0 {
		runs = append(runs, run)
	}
	return runs
}

// anchors are those of a run whose copies are known: of messages that are alike nobody knows which
// has been found.
func (s *sentMessages) anchors(run []sentAt) (anchors []sentAt) {
	for _, m := range run {
		if s.copies[m.i].UID != 0 && len(s.alikeTo(m.i)) == 1 {
			anchors = append(anchors, m)
		}
	}
	return anchors
}

// consecutive tells whether two copies have as many UIDs between them as messages were sent there.
// Two are needed, as one may be another message that is like it.
func (s *sentMessages) consecutive(a, b sentAt) bool {
	return int(s.copies[b.i].UID)-int(s.copies[a.i].UID) == b.at-a.at
}

// between are the messages of a run that were sent between two.
func between(run []sentAt, a, b sentAt) (sent []sentAt) {
	for _, m := range run {
		if m.at > a.at && m.at < b.at {
			sent = append(sent, m)
		}
	}
	return sent
}

// together decides about commands of several messages of a run, of which two or more were found that
// have the UIDs that they got if they came together.
func (s *sentMessages) together(run, anchors []sentAt) {
	for batch, sent := range s.byBatch(run) {
		if !s.intents[sent[0].i].Together {
			continue
		}
		found := s.byBatch(anchors)[batch]
		if len(found) < 2 {
			continue
		}
		all := true
		for n := range found[1:] {
			all = all && s.consecutive(found[n], found[n+1])
		}
		if all && s.mayBeAll(sent, found[0]) {
			s.fill(sent, found[0], sent[0].at-1, sent[len(sent)-1].at+1)
		}
	}
}

func (s *sentMessages) byBatch(list []sentAt) map[uint64][]sentAt {
	by := map[uint64][]sentAt{}
	for _, m := range list {
		by[s.intents[m.i].Batch] = append(by[s.intents[m.i].Batch], m)
	}
	return by
}

// mayBeAll tells whether nothing speaks against all of some messages having arrived, in the order
// in which they were sent with one that was found: where another message has the UID of one, that
// one or another of them has not.
func (s *sentMessages) mayBeAll(sent []sentAt, found sentAt) bool {
	return !slices.ContainsFunc(sent, func(m sentAt) bool {
		_, ok := s.uidOf(m, found)
		return !ok
	})
}

// uidOf is the UID that a message must have got if another of its run got that of its copy; false
// if it can't have got it, or something else has.
func (s *sentMessages) uidOf(m, found sentAt) (imap.UID, bool) {
	uid := int64(s.copies[found.i].UID) + int64(m.at-found.at)
	if uid < max(1, int64(s.intents[m.i].UIDNext)) || s.there.Next != 0 && uid >= int64(s.there.Next) {
		return 0, false
	}
	if _, present := s.there.UIDs[imap.UID(uid)]; !present {
		return imap.UID(uid), true
	}
	return imap.UID(uid), slices.ContainsFunc(s.alikeTo(m.i), func(k int) bool { return s.copies[k].UID == imap.UID(uid) })
}

// fill decides about the messages of a run that were sent between two places, which have all arrived.
func (s *sentMessages) fill(run []sentAt, found sentAt, after, before int) {
	for _, m := range run {
		uid, ok := s.uidOf(m, found)
		if m.at <= after || m.at >= before || !ok || s.copies[m.i].UID == uid {
			continue
		}
		other := s.freeAlike(m.i)
		for _, k := range s.alikeTo(m.i) {
			if s.copies[k].UID == uid {
				other = k
			}
		}
		switch {
		case other >= 0:
			s.copies[m.i], s.copies[other] = s.copies[other], s.copies[m.i]
		case s.copies[m.i].UID != 0:
			continue // all that are like it have been found
		}
		if s.copies[m.i].UID == 0 {
			s.removed[m.i] = true
		} else {
			delete(s.removed, m.i)
		}
	}
}

// freeAlike is a message that is like one that has been given a copy, and may have it instead; -1 for none.
func (s *sentMessages) freeAlike(i int) int {
	if s.copies[i].UID == 0 {
		return -1
	}
	for _, k := range s.alikeTo(i) {
		if k != i && s.copies[k].UID == 0 && !s.removed[k] {
			return k
		}
	}
	return -1
}
