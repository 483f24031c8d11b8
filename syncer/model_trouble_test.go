package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/store"
	"postferry/upstream/link"
)

func noFault(string) error { return nil }

// codes are the response codes of NO (RFC 5530, and what servers in the wild
// say) and what upstream makes of them; "" is a NO without one.
var codes = map[imap.ResponseCode]link.Class{
	"":                                     link.Refused,
	imap.ResponseCodeUnavailable:           link.Later,
	imap.ResponseCodeAuthenticationFailed:  link.Fix,
	imap.ResponseCodeAuthorizationFailed:   link.Fix,
	imap.ResponseCodeExpired:               link.Fix,
	imap.ResponseCodePrivacyRequired:       link.Fix,
	imap.ResponseCodeContactAdmin:          link.Refused,
	imap.ResponseCodeNoPerm:                link.Refused,
	imap.ResponseCodeInUse:                 link.Later,
	imap.ResponseCode("EXPUNGEISSUED"):     link.Refused,
	imap.ResponseCodeCorruption:            link.Refused,
	imap.ResponseCodeServerBug:             link.Later,
	imap.ResponseCodeClientBug:             link.Refused,
	imap.ResponseCodeCannot:                link.Refused,
	imap.ResponseCodeLimit:                 link.Later,
	imap.ResponseCodeOverQuota:             link.Fix,
	imap.ResponseCodeAlreadyExists:         link.Refused,
	imap.ResponseCodeNonExistent:           link.Refused,
	imap.ResponseCodeTryCreate:             link.Refused,
	imap.ResponseCodeTooBig:                link.Refused,
	imap.ResponseCodeUnknownCTE:            link.Refused,
	imap.ResponseCode("APPENDLIMIT"):       link.Refused,
	imap.ResponseCode("THROTTLED"):         link.Later,
	imap.ResponseCode("BADCHARSET"):        link.Refused,
	imap.ResponseCode("X-NOBODY-KNOWS"):    link.Refused,
	imap.ResponseCode("NOTSAVED"):          link.Refused,
	imap.ResponseCode("MAXCONVERTPARTS"):   link.Refused,
	imap.ResponseCode("COMPRESSIONACTIVE"): link.Refused,
}

// forMessages are those that a server may refuse a message with for good.
var forMessages = []imap.ResponseCode{"", imap.ResponseCodeTooBig, "APPENDLIMIT", imap.ResponseCodeCannot,
	imap.ResponseCodeUnknownCTE, imap.ResponseCodeNoPerm, imap.ResponseCodeClientBug, imap.ResponseCodeCorruption}

// fault is one planned failure.
type fault struct {
	after int                    // steps until it strikes
	where func(step string) bool // which count; nil: all
	late  int                    // steps until what is late is stored
	omits int                    // which item of an answer is left out
	hangs time.Duration          // how long the server hangs; longer than anybody waits if it is negative
	kind  string                 // cut, crash, late, hung, restart, kindMeanwhile, or NO and its code
}

// kindMeanwhile is no failure: somebody does something then.
const kindMeanwhile = "meanwhile"

// kindOmits is an answer without one of its items.
const kindOmits = "omits"

// tellsMessages are the steps that tell of messages what may be left out.
var tellsMessages = []string{"+LISTING", "+FLAGS", "+HEADERS", "+BODIES", "+EARLY", "+HEADS", "+SEARCH", "+LABELS"}

// noBug is the one NO that may come after the fact.
const noBug = "NO " + string(imap.ResponseCodeServerBug)

// trouble is what goes wrong during a pass.
type trouble struct {
	mu     sync.Mutex
	faults []fault
	at     []string // where they struck
	dead   bool     // after a crash nothing works any more
	signal chan<- struct{}
	acted  bool // somebody did something
}

func drawTrouble(t *rapid.T) *trouble {
	f := &trouble{}
	for range rapid.SampledFrom([]int{0, 1, 1, 1, 2, 3}).Draw(t, "troubles") {
		f.faults = append(f.faults, drawFault(t))
	}
	return f
}

// storing is a step with which the new server begins to store messages.
func storing(step string) bool { return step == "+APPEND" || step == "+COPY" }

func drawFault(t *rapid.T) fault {
	f := fault{after: rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 200)).Draw(t, "steps")}
	kinds := []string{"cut", "crash", "NO", "lost answer", "late", "hung", "restart", "crash at a commit", "bug"}
	if anyAccidents() {
		kinds = append(kinds, "omits", "omits a folder")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "trouble"); kind {
	case "lost answer":
		f.kind, f.where = "cut", func(step string) bool { return step == "-APPEND" || step == "-COPY" || step == "+WAIT" }
	case "late":
		f.kind, f.where = "late", storing
		f.late = rapid.OneOf(rapid.Just(1), rapid.IntRange(1, 80)).Draw(t, "steps until it is stored")
	case "hung":
		f.kind, f.where = kind, storing
		f.hangs = time.Duration(rapid.IntRange(-1, 10).Draw(t, "half seconds")) * time.Second / 2
	case "restart":
		f.kind, f.where = kind, func(step string) bool {
			return !slices.Contains([]string{"COMMIT", "FOLDERS", "CONNECT"}, step[1:])
		}
		return f
	case "omits":
		f.kind, f.where = kindOmits, func(step string) bool { return slices.Contains(tellsMessages, step) }
		f.omits = rapid.IntRange(1, 10).Draw(t, "item")
	case "omits a folder":
		f.kind, f.where = kindOmits, func(step string) bool { return step == "+LIST" }
		f.omits = rapid.IntRange(1, 10).Draw(t, "folder")
	case "bug": // the server has stored what it says NO to
		f.kind, f.where = noBug, func(step string) bool { return step == "-APPEND" || step == "-COPY" }
	case "crash at a commit":
		f.kind, f.where = "crash", func(step string) bool { return step[1:] == "COMMIT" || step[1:] == "FOLDERS" }
	case "NO":
		all := make([]imap.ResponseCode, 0, len(codes))
		for code := range codes {
			all = append(all, code)
		}
		slices.Sort(all)
		f.kind = "NO " + string(rapid.SampledFrom(all).Draw(t, "code"))
	default:
		f.kind = kind
	}
	if f.where != nil {
		f.after = rapid.IntRange(1, 6).Draw(t, "times")
	}
	return f
}

// strike is the fault function of both servers and the store.
func (f *trouble) strike(step string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return lostError(step)
	}
	var err error
	for i := range f.faults {
		t := &f.faults[i]
		if t.where != nil && !t.where(step) {
			continue
		}
		if t.after--; t.after != 0 {
			continue
		}
		if t.kind == kindMeanwhile {
			f.act()
			continue
		}
		f.at = append(f.at, t.kind+" at "+step)
		f.dead = f.dead || t.kind == "crash"
		err = t.error(step)
	}
	return err
}

func (f *fault) error(step string) error {
	code, no := strings.CutPrefix(f.kind, "NO ")
	switch {
	case f.kind == kindOmits:
		return omitError(f.omits)
	case f.kind == "late":
		return lateError(f.late)
	case f.kind == "hung":
		return hungError(f.goesOn)
	case f.kind == "restart":
		return errRestart
	case f.kind == noBug && (step == "-APPEND" || step == "-COPY"):
	case !no, strings.HasPrefix(step, "-"), step == "+WAIT", step == "+HALF":
		return lostError(step) // any other NO after the fact, or one to what is no command, would be a lie
	}
	return &link.Error{Server: "fake", Op: strings.ToLower(step[1:]), Class: codes[imap.ResponseCode(code)],
		Code: imap.ResponseCode(code), Text: "no", Err: errors.New("NO")}
}

// goesOn waits until the process of a server that hung goes on; false if it doesn't while anybody waits.
func (f *fault) goesOn(ctx context.Context) bool {
	if f.hangs < 0 {
		return false
	}
	t := time.NewTimer(f.hangs)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// act signals that an action is due. The caller holds the lock.
func (f *trouble) act() {
	if f.signal != nil {
		f.signal <- struct{}{} // there is room for all
		f.acted = true
	}
}

// close lets no more actions be signalled.
func (f *trouble) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signal = nil
}

// disturbed tells whether something happened during the pass that it may not have seen.
func (f *trouble) disturbed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.acted
}

// omitted tells whether an answer lacked something.
func (f *trouble) omitted() bool {
	return slices.ContainsFunc(f.outcome(), func(at string) bool { return strings.HasPrefix(at, kindOmits) })
}

// outcome tells where it has struck. What the engine does in the background
// may still be struck meanwhile.
func (f *trouble) outcome() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.at)
}

// refusedConnection tells whether a connection could not be made: the engine leaves that
// server alone for a while then, whatever came of the pass.
func (f *trouble) refusedConnection() bool {
	return slices.ContainsFunc(f.outcome(), func(at string) bool { return strings.HasSuffix(at, "CONNECT") })
}

func (f *trouble) crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

// set lets all that can fail fail as fault says.
func (m *model) set(fault func(string) error) {
	for _, s := range []*fakeServer{m.pair.old, m.pair.new} {
		s.fail(fault)
	}
	m.store.set(fault)
}

// faultyStore fails where it is told to.
type faultyStore struct {
	store.Store
	unproved *unproved
	mu       sync.Mutex
	fault    func(string) error
}

func (s *faultyStore) set(fault func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *faultyStore) step(op string) error {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if err := fault(op); err != nil {
		return fmt.Errorf("the disk: %s", op)
	}
	return nil
}

func (s *faultyStore) Commit(ctx context.Context, b store.Batch) error {
	if err := s.step("+COMMIT"); err != nil {
		return err
	}
	if err := s.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.unproved.commit(b)
	return s.step("-COMMIT")
}

func (s *faultyStore) CommitAll(ctx context.Context, batches []store.Batch) error {
	if err := s.step("+COMMIT"); err != nil {
		return err
	}
	if err := s.Store.CommitAll(ctx, batches); err != nil {
		return err
	}
	for _, b := range batches {
		s.unproved.commit(b)
	}
	return s.step("-COMMIT")
}

func (s *faultyStore) PutFolders(ctx context.Context, id store.AccountID, f []store.Folder) ([]store.Folder, error) {
	if err := s.step("+FOLDERS"); err != nil {
		return nil, err
	}
	rows, err := s.Store.PutFolders(ctx, id, f)
	if err == nil {
		err = s.step("-FOLDERS")
	}
	return rows, err
}
