package upstream

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// maxSet is the longest set in one command, so that the line stays within
// what servers read (RFC 9051 section 4: 8192 octets). Octets.
const maxSet = 7000

// splitSet cuts a set into some whose text is at most maxSet octets.
func splitSet(set imap.UIDSet) []imap.UIDSet {
	var out []imap.UIDSet
	start, size := 0, 0
	for i, r := range set {
		n := digits(r.Start) + 1 + digits(r.Stop) + 1
		if size+n > maxSet {
			out = append(out, set[start:i])
			start, size = i, 0
		}
		size += n
	}
	if start < len(set) {
		out = append(out, set[start:])
	}
	return out
}

func digits(uid imap.UID) int {
	n := 1
	for ; uid >= 10; uid /= 10 {
		n++
	}
	return n
}

// only returns the one UID of a set that has just one.
func only(set imap.UIDSet) (imap.UID, bool) {
	if len(set) == 1 && set[0].Start == set[0].Stop && set[0].Start != 0 {
		return set[0].Start, true
	}
	return 0, false
}

// few are the UIDs of a set, or none if there may be more than n.
func few(set imap.UIDSet, n int) (uids []imap.UID) {
	for _, r := range set {
		if r.Start == 0 || r.Stop == 0 || int64(r.Stop)-int64(r.Start) >= int64(n-len(uids)) {
			return nil
		}
		for uid := int64(r.Start); uid <= int64(r.Stop); uid++ {
			uids = append(uids, imap.UID(uid))
		}
	}
	return uids
}

// asksFor reports whether a message may be the answer to a set. "*" is the last
// one, which only the server knows: there any may.
func asksFor(set imap.UIDSet, uid imap.UID) bool {
	return set.Contains(uid) || slices.Contains(set, imap.UIDRange{})
}

// parseUIDs expands a set of UIDs in the order given (RFC 4315 section 3). It
// returns nil unless there are exactly n, all different.
func parseUIDs(text string, n int) []imap.UID {
	uids := make([]imap.UID, 0, n)
	for text != "" {
		var part string
		part, text, _ = strings.Cut(text, ",")
		first, last, isRange := strings.Cut(part, ":")
		from, err := strconv.ParseUint(first, 10, 32)
		if err != nil || from == 0 {
			return nil
		}
		to := from
		if isRange {
			if to, err = strconv.ParseUint(last, 10, 32); err != nil || to == 0 {
				return nil
			}
		}
		from, to = min(from, to), max(from, to) // 5:3 means 3:5
		if to-from >= uint64(n-len(uids)) {
			return nil
		}
		for ; from <= to; from++ {
			uids = append(uids, imap.UID(from))
		}
	}
	different := slices.Clone(uids)
	slices.Sort(different)
	if len(uids) != n || len(slices.Compact(different)) != n {
		return nil
	}
	return uids
}
