package pages

// bitmap is a set of pages.
type bitmap []uint64

func newBitmap(n uint64) bitmap { return make(bitmap, (n+63)/64) }

// add reports whether the page is new in the set.
func (b bitmap) add(id uint64) bool {
	bit := uint64(1) << (id % 64)
	if b[id/64]&bit != 0 {
		return false
	}
	b[id/64] |= bit
	return true
}

func (b bitmap) has(id uint64) bool { return b[id/64]&(uint64(1)<<(id%64)) != 0 }

// join adds the pages of another set, which is not larger.
func (b bitmap) join(other bitmap) {
	for i, bits := range other {
		b[i] |= bits
	}
}
