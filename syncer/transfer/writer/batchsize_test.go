package writer

import (
	"testing"
	"time"
)

// pour lets a server answer full batches of messages of one size, of which it takes what at says.
func pour(b *batchSize, batches int, size int64, at func(messages int) time.Duration) {
	for range batches {
		n := b.messages()
		if int64(n)*size > b.octets() {
			n = int((b.octets() + size - 1) / size)
		}
		b.answered(n, int64(n)*size, at(n))
	}
}

func TestBatchSizeFollowsTheServer(t *testing.T) {
	for name, c := range map[string]struct {
		size int64
		at   func(messages int) time.Duration
		want int
	}{
		"a quick server":            {512, func(int) time.Duration { return 5 * time.Millisecond }, 100},
		"so much a command":         {512, func(n int) time.Duration { return 40*time.Millisecond + time.Duration(n)*10*time.Microsecond }, 1000},
		"so much a message":         {512, func(n int) time.Duration { return time.Duration(n) * time.Millisecond }, 100},
		"a slow line":               {8 << 10, func(n int) time.Duration { return time.Duration(n) * 8 * time.Millisecond }, 100},
		"as fast as its octets are": {8 << 10, func(n int) time.Duration { return time.Duration(n) * 400 * time.Microsecond }, 100},
	} {
		b := &batchSize{}
		pour(b, 60, c.size, c.at)
		if got := b.messages(); got != c.want {
			t.Errorf("%s: batches of %d messages, want %d", name, got, c.want)
		}
		if b.octets() > batchOctetsMost {
			t.Errorf("%s: batches of %d octets", name, b.octets())
		}
	}
}

// What grows as the folder does is met when it begins to be felt.
func TestBatchGrowsWithTheFolder(t *testing.T) {
	b, there := &batchSize{}, 0
	for there < 200_000 {
		pour(b, 1, 512, func(n int) time.Duration {
			there += n
			return time.Duration(there) * time.Microsecond
		})
	}
	if got := b.messages(); got != batchMessagesMost {
		t.Errorf("batches of %d messages", got)
	}
}

// A refused batch has to be halved until the message stands alone.
func TestRefusalMakesBatchesSmall(t *testing.T) {
	b := &batchSize{}
	slow := func(int) time.Duration { return time.Second }
	pour(b, 60, 512, slow)
	if b.refused(); b.messages() != batchMessages {
		t.Errorf("batches of %d messages", b.messages())
	}
	if pour(b, 60, 512, slow); b.messages() != batchMessages {
		t.Errorf("batches of %d messages again", b.messages())
	}
}
