package job

import (
	"math/bits"
	"sync"
)

// Buffers keeps the memory of bodies that are through for those that come: new memory
// has to be cleared and collected, which took a quarter of a copy's CPU time. What nobody
// needs goes with the next collections. Safe for concurrent use.
type Buffers struct {
	classes [4 * (bits.UintSize + 1)]sync.Pool // of *[]byte, by classOf their capacity
}

// smallest is what isn't worth keeping apart. Octets.
const smallest = 512

// classOf is the class of buffers that n octets fit in, and those buffers' size: a
// quarter of a power of two apart, so that little is wasted.
func classOf(n int) (class, size int) {
	n = max(n, smallest)
	step := 1 << max(bits.Len(uint(n-1))-3, 0) // n-1 is in [4*step, 8*step)
	quarters := (n + step - 1) / step          // 5 to 8
	return 4*bits.Len(uint(step)) + quarters - 5, quarters * step
}

// Get returns a buffer of n octets, whose content is anything.
func (b *Buffers) Get(n int) []byte {
	class, size := classOf(n)
	if kept, ok := b.classes[class].Get().(*[]byte); ok {
		return (*kept)[:n]
	}
	return make([]byte, n, size)
}

// put takes a buffer that nobody uses any more. One that did not come from get is left
// to the collector.
func (b *Buffers) put(buf []byte) {
	class, size := classOf(cap(buf))
	if cap(buf) == size {
		b.classes[class].Put(&buf)
	}
}
