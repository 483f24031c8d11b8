package message

import (
	"bytes"

	"postferry/store"
)

// Cyrus writes X for each octet from 128 on in a header (munge8bit), which fingerprints leave out.
const writtenInstead = 'X'

// rewrittenMost is how many runs of them a header is tried without, each by itself. More cost too much.
const rewrittenMost = 8

// MayBeRewritten tells whether a header, read without what a server has written in the place of octets above 127, is the one that a line of the ledger
// has the fingerprint of. Which of its Xs those are is found by trying.
func MayBeRewritten(e *store.Entry, header []byte) bool {
	runs := runsOf(header)
	if len(runs) == 0 || len(runs) > rewrittenMost {
		return len(runs) > 0 && Fingerprint(bytes.ReplaceAll(header, []byte{writtenInstead}, nil), int64(e.Size)) == e.Fingerprint
	}
	for left := 1; left < 1<<len(runs); left++ {
		if Fingerprint(leaveOut(header, runs, left), int64(e.Size)) == e.Fingerprint {
			return true
		}
	}
	return false
}

// runsOf are where an identifying header has Xs, begin and end of each run.
func runsOf(header []byte) (runs [][2]int) {
	for i, c := range header {
		switch n := len(runs); {
		case c != writtenInstead:
		case n > 0 && runs[n-1][1] == i:
			runs[n-1][1]++
		default:
			runs = append(runs, [2]int{i, i + 1})
		}
	}
	return runs
}

// leaveOut is a header without some runs, those whose bits are set.
func leaveOut(header []byte, runs [][2]int, which int) []byte {
	out, at := make([]byte, 0, len(header)), 0
	for i, r := range runs {
		if which&(1<<i) != 0 {
			out, at = append(out, header[at:r[0]]...), r[1]
		}
	}
	return append(out, header[at:]...)
}
