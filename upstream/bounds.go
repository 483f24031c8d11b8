package upstream

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/upstream/link"
)

// Bounds on what a server may make us hold or do with its answers, beside those of
// package wire. They are far beyond what servers have to tell.
const (
	// maxFolders is how many folders a server may tell of, maxNames how many octets their
	// names and attributes may have together, as it sends them.
	maxFolders = 100_000
	maxNames   = 64 << 20
	// maxName is the longest name of a folder that is kept, keptName what is kept of a
	// longer one. Octets.
	maxName  = 8 << 10
	keptName = 200
	// maxWords is how many flags or attributes one list may have, and how many
	// capabilities, namespaces and quotas there may be. maxWord is the longest of them. Octets.
	maxWords = 1000
	maxWord  = 255
	// maxMessages is how many messages a folder may have.
	maxMessages = 10_000_000
	// fetchSlack and slack are how many responses an answer may have beside those that
	// there is reason for.
	fetchSlack = 1000
	slack      = 250_000
	// maxLines is how many octets they may have together, beside lineOctets for each message
	// of the folder and the literals.
	maxLines   = 128 << 20
	lineOctets = 1000
	// maxPartialHeld is how much is held of messages that the server has told of in part. Octets.
	maxPartialHeld = 16 << 20
	// maxBodies is how many one answer may bring.
	maxBodies = 100_000
	// maxOdd is how much an answer may bring that real servers' answers don't have: flags
	// by the hundred, more keywords than can be remembered. Octets.
	maxOdd = 64 << 20
)

// bounds are what a session holds its server's answers to.
type bounds struct {
	answer answer // what has come of the one under way
	most   uint32 // the largest EXISTS of any folder
	broken error  // the responses can't be told apart any more, or are too many
}

// tooMuch gives the connection up.
func (b *bounds) tooMuch(of string, whole bool) {
	if b.broken == nil {
		b.broken = &link.Excess{Of: of, Whole: whole}
	}
}

// answer counts what has come since the last tagged response.
type answer struct {
	responses, fetches uint64
	began              int64 // octets of responses before
	odd                int   // octets
}

// reasons are how many responses about messages an answer has reason for: a server may tell
// of each message of the folder in parts, and of changes meanwhile.
const reasons = 4

// counted counts a response, and gives the connection up if the answer has no end.
func (b *bounds) counted(read int64) {
	b.answer.responses++
	octets := read - b.answer.began
	if b.answer.responses > reasons*uint64(b.most)+slack || octets > maxLines+int64(b.most)*lineOctets {
		b.tooMuch(fmt.Sprintf("%d responses of %d octets", b.answer.responses, octets), false)
	}
}

// countedFetch counts a response about a message.
func (b *bounds) countedFetch() {
	if b.answer.fetches++; b.answer.fetches > reasons*uint64(b.most)+fetchSlack {
		b.tooMuch(fmt.Sprintf("%d responses about messages, in a folder of %d", b.answer.fetches, b.most), false)
	}
}

// warnMost is how many warnings about the server's answers a session has for the log.
const warnMost = 100

// warnings are what the log is told of the server's answers.
type warnings struct {
	log  zerolog.Logger
	told int
}

// warn is a line of the log, or none after many.
func (w *warnings) warn() *zerolog.Event {
	if w.told++; w.told > warnMost {
		return nil
	}
	return w.log.Warn()
}

// spend counts octets that are held beyond what answers usually bring.
func (b *bounds) spend(octets int) {
	if b.answer.odd += octets; b.answer.odd > maxOdd {
		b.tooMuch("flags", false)
	}
}

// reportsMost is how many messages the answer to a question about a set may tell of. Those that
// change meanwhile are told again.
func (b *bounds) reportsMost(set imap.UIDSet) int {
	asked := uint64(0)
	for _, r := range set {
		if r.Start == 0 || r.Stop == 0 {
			asked = uint64(b.most) // "*" is known to the server alone
			break
		}
		asked += uint64(r.Stop-r.Start) + 1
	}
	return 2*int(min(asked, uint64(b.most))) + fetchSlack
}

// nameOf is what is kept of a folder's name; cut tells that it is not all.
func nameOf(raw []byte) (name string, cut bool) {
	if len(raw) <= maxName {
		return string(raw), false
	}
	sum := sha256.Sum256(raw)
	return string(raw[:keptName]) + "... " + hex.EncodeToString(sum[:8]), true
}

// words reads a list of words up to maxWords of them, each up to maxWord octets. What is beyond
// that is told to the log.
func (p *parser) words(take func(word []byte)) {
	n, left := 0, 0
	p.dec.List(func() {
		word := p.dec.Word()
		if n++; n > maxWords || len(word) > maxWord {
			left++
		} else if len(word) > 0 {
			take(word)
		}
	})
	if left > 0 && p.dec.Err() == nil {
		p.warnings.warn().Int("words", left).Msg("the server has too many flags or attributes in one list, or too long ones; these are left out")
	}
}

// string reads a string of at most maxWord octets.
func (p *parser) string() string {
	text, _ := p.dec.String(maxWord)
	return string(text)
}

// folderLines bounds what is told of folders.
type folderLines struct {
	conn   *conn
	told   int
	octets int
}

// take counts a line about a folder; false if there are too many.
func (n *folderLines) take(octets int) bool {
	n.told++
	n.octets += octets
	// LIST and one of LSUB and STATUS tell of each.
	if n.told > 2*maxFolders+fetchSlack || n.octets > maxNames {
		n.conn.bounds.tooMuch(fmt.Sprintf("%d lines about folders, names of %d octets", n.told, n.octets), true)
		return false
	}
	return true
}

// folders counts those that are there.
func (n *folderLines) folders(found int) {
	if found > maxFolders {
		n.conn.bounds.tooMuch(fmt.Sprintf("more than %d folders", maxFolders), true)
	}
}
