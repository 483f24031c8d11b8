package reorder

import (
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
)

const (
	// worth is how many messages may be moved for each one that is out of place. Each that is
	// moved is a new message to whoever has it already.
	worth = 4
	// mostParts bounds the MOVEs for one folder.
	mostParts = 50
	// partSize is how many messages one MOVE takes.
	partSize = 1000
)

// Plan returns what has to be moved to the end of a folder, part by part, so that its newest
// messages are the last ones there; nil for nothing. lines are the UIDs of copies in the order in
// which the originals have arrived, strangers those of other messages. A server keeps the
// order within a part.
//
// What is out of place further ahead stays there (hits of a search that came first): to mend
// that, everything behind it would have to be moved. So does all if too much has come since.
func Plan(lines, strangers []imap.UID) (parts []imap.UIDSet) {
	placed := inPlace(lines)
	from, misplaced := tail(placed)
	if misplaced == 0 {
		return nil
	}
	late := len(lines)
	for placed[late-1] {
		late--
	}
	since := cameSince(strangers, lines[from:], placed[from:])
	order := append(slices.Clone(lines[from:late]), merge(lines[late:], since)...)
	if len(order) > worth*misplaced {
		return nil
	}
	if parts = runs(order); len(parts) > mostParts {
		return nil
	}
	return parts
}

// inPlace tells of each message whether it is among the most of them that are in order
// already: the longest ascending subsequence.
func inPlace(uids []imap.UID) []bool {
	var ends []int // of the best subsequence of each length, its last element
	before := make([]int, len(uids))
	for i, uid := range uids {
		n := sort.Search(len(ends), func(k int) bool { return uids[ends[k]] >= uid })
		if before[i] = -1; n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	placed := make([]bool, len(uids))
	if len(ends) == 0 {
		return placed
	}
	for i := ends[len(ends)-1]; i >= 0; i = before[i] {
		placed[i] = true
	}
	return placed
}

// tail is from where on all is to be moved, and how many of that are out of place.
func tail(placed []bool) (from, misplaced int) {
	n := 0
	for i := len(placed) - 1; i >= 0; i-- {
		if placed[i] {
			continue
		}
		if n++; len(placed)-i <= worth*n {
			from, misplaced = i, n
		}
	}
	return from, misplaced
}

// cameSince are the strangers that have come since the first of the misplaced ones, and so
// belong behind them.
func cameSince(strangers, uids []imap.UID, placed []bool) (since []imap.UID) {
	first := imap.UID(0)
	for i, uid := range uids {
		if !placed[i] && (first == 0 || uid < first) {
			first = uid
		}
	}
	for _, uid := range strangers {
		if uid > first {
			since = append(since, uid)
		}
	}
	slices.Sort(since)
	return since
}

// merge puts two ascending lists together.
func merge(a, b []imap.UID) []imap.UID {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return all
}

// runs cuts a list where it doesn't ascend, and into parts of no more than partSize.
func runs(order []imap.UID) (parts []imap.UIDSet) {
	var run imap.UIDSet
	last := imap.UID(0)
	for _, uid := range order {
		if uid < last {
			parts, run = append(parts, session.Chunks(run, partSize)...), nil
		}
		run.AddNum(uid)
		last = uid
	}
	return append(parts, session.Chunks(run, partSize)...)
}
