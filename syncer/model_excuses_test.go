package syncer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// An excuse is a reason for a message to be on the new server more often than it should be, or less
// often, which the documentation grants. Each is given for so many copies of a message, and it is counted in how many
// histories it was needed.
type excuse string

const (
	// inDoubt: see unproved.
	inDoubt excuse = "removed while its arrival was in doubt"
	// indistinct: see blur.
	indistinct excuse = "removed where UIDs tell nothing"
	// lostOrRemoved: it came to the new server and was removed or moved there since the state that the
	// server was put back to, or its server gave most UIDs anew; nothing is left that tells.
	lostOrRemoved excuse = "removed, or lost by the server"
	// ledgerOlder: it was copied, and removed or moved, since the state that the ledger was put back to.
	ledgerOlder excuse = "removed after the ledger's state"
	// storedLate: the new server stored it long after the connection was lost and the folder had been quiet, when it
	// had been given to it once more. The second one is removed again if nobody has touched it.
	storedLate excuse = "stored long after the connection was lost"
	// movedUnseen: it was moved on the old server, and as much has come to its former folder before the next pass.
	movedUnseen excuse = "moved on the old server without a sign"
	// unnoticed: it was removed on the old server, perhaps before it was copied, and is back with a backup
	// although no number has gone back. It is an excuse for a message that isn't there.
	unnoticed excuse = "back on the old server without a sign"
	// notLooked: see coincides. It is an excuse for a message that isn't there yet.
	notLooked excuse = "all numbers are what they were by chance"
	// refusedWhole: see onlyRefused. The history ends with a pass that is not complete.
	refusedWhole excuse = "all that was to come into a folder is refused"
)

// excuses in the order in which they are used.
var excuses = []excuse{inDoubt, storedLate, lostOrRemoved, ledgerOlder, movedUnseen, indistinct}

// excuse allows so many copies more of a message.
func (m *model) excuse(e excuse, body string, copies int) {
	if copies <= 0 {
		return
	}
	if m.excused[e] == nil {
		m.excused[e] = map[string]int{}
	}
	m.excused[e][body] += copies
}

// excuseUpTo allows at least so many copies more of a message.
func (m *model) excuseUpTo(e excuse, body string, copies int) {
	m.excuse(e, body, copies-m.excused[e][body])
}

// use takes as many copies from the excuses for a message as it needs, and returns how many are left.
func (m *model) use(body string, over int) int {
	for _, e := range excuses {
		n := m.excused[e][body]
		if over <= 0 || n == 0 || e == indistinct && m.limit[body] < 2 && !m.unclear[body] {
			continue // one alone can't be taken for another
		}
		over -= n
		m.used[e] = true
	}
	return over
}

// uses counts the histories in which each excuse was needed.
type uses struct {
	mu    sync.Mutex
	count map[excuse]int
}

func (u *uses) add(used map[excuse]bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count == nil {
		u.count = map[excuse]int{}
	}
	for e := range used {
		u.count[e]++
	}
}

// excusedMost is the share of histories (one of so many) in which an excuse may be needed at most, once
// enough have been drawn to tell.
const (
	excusedMost = 20
	enough      = 200
)

// tooMany names an excuse that was needed too often; "" if none was.
func (u *uses) tooMany(histories int64) excuse {
	u.mu.Lock()
	defer u.mu.Unlock()
	for e, n := range u.count {
		if histories >= enough && int64(n)*excusedMost > histories {
			return e
		}
	}
	return ""
}

func (u *uses) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var parts []string
	for _, e := range slices.Sorted(maps.Keys(u.count)) {
		parts = append(parts, fmt.Sprintf("%d %s", u.count[e], e))
	}
	return strings.Join(parts, ", ")
}

// storedLate notes what the new server has stored when the engine may have given up waiting for it.
func (m *model) storedLate(bodies [][]byte) {
	m.lateMu.Lock()
	defer m.lateMu.Unlock()
	for _, body := range bodies {
		m.late[m.original(string(body))]++
	}
}

// excuseLate excuses second copies of it. Of several identical messages that were removed they may be taken to be the copies, and
// what is left of those to be lost by the server.
func (m *model) excuseLate() {
	m.lateMu.Lock()
	defer m.lateMu.Unlock()
	for body, n := range m.late {
		m.excuseUpTo(storedLate, body, n)
		if m.limit[body] > 1 {
			m.excuseUpTo(indistinct, body, m.removed[body]+m.moved[body])
		}
	}
}
