package syncer

import (
	"cmp"
	"slices"

	"postferry/store"
)

// removedSince finds the intents whose messages must have arrived although they are not in
// the new folder any more: somebody has moved or deleted them before it was known that they
// were there. A message takes a UID when it arrives, in the order in which they were sent, so
// that a gap between two neighbours of a batch is as many messages; and of a command with
// several messages a server stores all or nothing (RFC 3502). copies are what was found
// of the intents; UID 0 for nothing.
func removedSince(intents []store.Intent, copies []candidate, uidValidity uint32) map[int]bool {
	removed := map[int]bool{}
	for _, batch := range batchesOf(intents, uidValidity) {
		there := slices.DeleteFunc(slices.Clone(batch), func(i int) bool { return copies[i].UID == 0 })
		if len(there) < 2 {
			continue // one may be another message that is like it
		}
		all := allConsecutive(intents, copies, there)
		for n, i := range there[1:] {
			if all || consecutive(intents, copies, there[n], i) {
				noteBetween(removed, intents, batch, there[n], i)
			}
		}
		if all && intents[batch[0]].Together {
			for _, i := range batch {
				removed[i] = true
			}
		}
	}
	for i := range copies {
		if copies[i].UID != 0 {
			delete(removed, i)
		}
	}
	return removed
}

// batchesOf are the intents of each batch, by their places, without those whose messages are
// alike: of them nobody knows which has been found.
func batchesOf(intents []store.Intent, uidValidity uint32) [][]int {
	type look struct {
		print store.Fingerprint
		size  uint32
	}
	alike := map[look]int{}
	for _, in := range intents {
		alike[look{in.Fingerprint, in.Size}]++
	}
	by := map[uint64][]int{}
	for i, in := range intents {
		if in.Batch != 0 && alike[look{in.Fingerprint, in.Size}] == 1 && in.UIDValidity == uidValidity && uidValidity != 0 {
			by[in.Batch] = append(by[in.Batch], i)
		}
	}
	var batches [][]int
	for _, batch := range by {
		slices.SortFunc(batch, func(a, b int) int { return cmp.Compare(intents[a].Place, intents[b].Place) })
		batches = append(batches, batch)
	}
	return batches
}

// consecutive tells whether two copies have as many UIDs between them as messages were sent there.
func consecutive(intents []store.Intent, copies []candidate, a, b int) bool {
	return int64(copies[b].UID)-int64(copies[a].UID) == int64(intents[b].Place)-int64(intents[a].Place)
}

// allConsecutive tells whether all copies of a batch have the UIDs that they got if they came
// together and nothing came in between.
func allConsecutive(intents []store.Intent, copies []candidate, there []int) bool {
	for n, i := range there[1:] {
		if !consecutive(intents, copies, there[n], i) {
			return false
		}
	}
	return true
}

// noteBetween notes the messages that were sent between two.
func noteBetween(removed map[int]bool, intents []store.Intent, batch []int, a, b int) {
	for _, i := range batch {
		if intents[i].Place > intents[a].Place && intents[i].Place < intents[b].Place {
			removed[i] = true
		}
	}
}
