package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"sync"
)

// maxRight bounds how many passwords are remembered that were right, and wrong.
const maxRight = 100_000

// digest is a login with its password, hashed with a key that nobody has: it can't be told
// from it what they are.
type digest [sha256.Size]byte

// rightOnes remembers which passwords were right, so that who has one gets in while somebody
// at the same address, or with the same login name, is guessing. It is forgotten at the end.
type rightOnes struct {
	key [32]byte

	mu    sync.Mutex
	right map[digest]bool // false for one that was recorded and has turned out to be wrong
}

func newRightOnes() *rightOnes {
	r := &rightOnes{right: map[digest]bool{}}
	_, _ = rand.Read(r.key[:]) // never fails
	return r
}

func (r *rightOnes) digest(c *claim) digest {
	h := hmac.New(sha256.New, r.key[:])
	for _, part := range []string{strings.ToLower(c.login), c.master, c.mechanism, c.secret.Reveal()} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return digest(h.Sum(nil))
}

// note remembers how a login ended. Of wrong passwords only those count that would pass
// otherwise: anybody may send others.
func (r *rightOnes) note(c *claim, right, refused, onRecord bool) {
	d := r.digest(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.right[d]
	if !right && !(refused && (known || onRecord)) {
		return
	}
	if len(r.right) >= maxRight {
		r.room()
	}
	r.right[d] = right
}

// room forgets any tenth.
func (r *rightOnes) room() {
	for d := range r.right {
		if delete(r.right, d); len(r.right) <= maxRight-maxRight/10 {
			return
		}
	}
}

// was tells whether a password was right, and whether anything is known of it.
func (r *rightOnes) was(c *claim) (right, known bool) {
	d := r.digest(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	right, known = r.right[d]
	return right, known
}

// trusted reports whether a password is one that was right before, or is on record for the
// login and has not turned out to be wrong since.
func (s *Server) trusted(who *claimant, c *claim) (trusted, onRecord bool) {
	if right, known := s.right.was(c); known {
		return right, false
	}
	onRecord = who.known && c.own() && who.own() && recorded(who.account, c.secret) != ""
	return onRecord, onRecord
}
