package job

import (
	"testing"

	"pgregory.net/rapid"
)

func TestBufferSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 4<<20).Draw(t, "octets")
		class, size := classOf(n)
		if size < n || n > smallest && size > n+n/4+1 {
			t.Fatalf("%d octets in a buffer of %d", n, size)
		}
		if again, same := classOf(size); again != class || same != size {
			t.Fatalf("a buffer of %d octets is taken for one of %d", size, same)
		}
		if more, larger := classOf(size + 1); more <= class || larger <= size {
			t.Fatalf("%d octets go where %d go", size+1, size)
		}
	})
}

func TestBuffersAreUsedByOneAtATime(t *testing.T) {
	var b Buffers
	first := b.Get(1000)
	second := b.Get(1000)
	first[0], second[0] = 1, 2
	if first[0] != 1 {
		t.Fatal("two messages share a buffer")
	}
	b.put(first)
	b.put(make([]byte, 1000)) // of another size than any class has
	for range 3 {
		if buf := b.Get(1010); len(buf) != 1010 {
			t.Fatalf("asked for 1010 octets and got %d", len(buf))
		}
	}
}
