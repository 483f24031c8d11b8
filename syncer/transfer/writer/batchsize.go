package writer

import "time"

const (
	// A batch is closed at so many messages or octets to begin with: a refusal's cost is per message in it.
	batchMessages = 100
	batchOctets   = 1 << 20
	// It grows up to these where the new server's cost is per command: servers with maildirs read and
	// rewrite what is in proportion to the folder for each APPEND.
	batchMessagesMost = 1000
	batchOctetsMost   = 4 << 20
	// An answer within slowAnswer, and what its octets take at plainRate (octets a second), leaves nothing to gain.
	slowAnswer = 20 * time.Millisecond
	plainRate  = 20 << 20
	// growthWorth is by how much, in percent, larger batches must be faster than those of half the size.
	growthWorth = 15
	// growthSample is after how many answers that is judged.
	growthSample = 3
	// growthPause is after how many more it is tried again: the folder has grown meanwhile, and what is
	// measured on a busy machine may be chance.
	growthPause = 30
)

// batchSize is how large batches are. It doubles as long as answers take longer than their octets
// explain and the last doubling has made copying faster; a refusal takes it back for good.
type batchSize struct {
	factor  int  // of batchMessages and batchOctets; 0 is 1
	settled bool // no other size is tried any more
	pause   int  // so many answers are left before one is
	answers int  // at this size, of full batches
	took    time.Duration
	sent    int64
	before  float64 // octets a second at half the size; 0 as long as nothing was tried
}

func (b *batchSize) times() int { return max(b.factor, 1) }

// messages and octets are what closes a batch.
func (b *batchSize) messages() int { return min(b.times()*batchMessages, batchMessagesMost) }
func (b *batchSize) octets() int64 { return min(int64(b.times())*batchOctets, batchOctetsMost) }

// full tells whether so much closes a batch.
func (b *batchSize) full(messages int, octets int64) bool {
	return messages >= b.messages() || octets >= b.octets()
}

// answered notes how long the server was at a batch, since it could begin with it.
func (b *batchSize) answered(messages int, octets int64, took time.Duration) {
	if b.settled || !b.full(messages, octets) {
		return
	}
	if b.pause > 0 {
		b.pause--
		return
	}
	b.answers, b.took, b.sent = b.answers+1, b.took+took, b.sent+octets
	if b.answers < growthSample {
		return
	}
	rate := float64(b.sent) / max(b.took.Seconds(), 1e-6)
	explained := time.Duration(float64(b.sent) / plainRate * float64(time.Second))
	slow := b.took > explained+growthSample*slowAnswer
	b.answers, b.took, b.sent = 0, 0, 0
	switch {
	case b.before > 0 && rate < b.before*(100+growthWorth)/100:
		b.factor, b.before, b.pause = b.times()/2, 0, growthPause
	case b.messages() >= batchMessagesMost:
		b.settled = true
	case slow:
		b.factor, b.before = 2*b.times(), rate
	default:
		b.before = 0
	}
}

// refused notes that a batch was refused: small ones cost less to halve.
func (b *batchSize) refused() { b.factor, b.settled = 1, true }
