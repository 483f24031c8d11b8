package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"

	"postferry/store"
)

const (
	minPassword = 10   // characters
	maxPassword = 1024 // octets

	saltLength = 16 // octets
	hashLength = 32 // octets
	// maxHashCost bounds what a stored hash may ask for. KiB.
	maxHashCost = 256 << 10
)

// hasher hashes administrators' passwords with argon2id (RFC 9106), in PHC's
// notation. Each hash takes memory KiB, so only a few are made at a time.
type hasher struct {
	memory, time uint32
	places       *semaphore.Weighted
	// nobody is the hash of no password. It is checked for names that don't
	// exist, so that the time an answer takes doesn't tell which do. It is made when
	// it is first asked for: whoever only hashes has no need of it.
	nobody func() store.Secret
}

// Hashing is what a hash costs.
type Hashing struct{ Memory, Rounds uint32 } // KiB, and how often it is gone through

// newHasher takes 19 MiB and two rounds for each hash if nothing else is said, two at a time.
func newHasher(cost Hashing) *hasher {
	h := &hasher{memory: cmp.Or(cost.Memory, 19<<10), time: cmp.Or(cost.Rounds, 2), places: semaphore.NewWeighted(2)}
	h.nobody = sync.OnceValue(func() store.Secret { return h.encode(random(hashLength)) })
	return h
}

// random returns n random octets.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return b
}

func (h *hasher) encode(password []byte) store.Secret {
	salt := random(saltLength)
	sum := argon2.IDKey(password, salt, h.time, h.memory, 1, hashLength)
	b64 := base64.RawStdEncoding
	return store.Secret(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s",
		argon2.Version, h.memory, h.time, b64.EncodeToString(salt), b64.EncodeToString(sum)))
}

// hash hashes a password, when there is room for it.
func (h *hasher) hash(ctx context.Context, password store.Secret) (store.Secret, error) {
	if err := h.places.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer h.places.Release(1)
	return h.encode([]byte(password.Reveal())), nil
}

// matches reports whether a password is the hash's. A hash of "" is nobody's.
func (h *hasher) matches(ctx context.Context, hash, password store.Secret) (bool, error) {
	if err := h.places.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer h.places.Release(1)
	known := hash != ""
	if !known {
		hash = h.nobody()
	}
	memory, rounds, lanes, salt, want, err := parseHash(hash.Reveal())
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password.Reveal()), salt, rounds, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

var errHash = errors.New("the stored hash of a password is damaged")

func parseHash(text string) (memory, rounds uint32, lanes uint8, salt, sum []byte, err error) {
	parts := strings.Split(text, "$")
	version := 0
	if len(parts) != 6 || parts[1] != "argon2id" {
		return 0, 0, 0, nil, nil, errHash
	}
	_, err1 := fmt.Sscanf(parts[2], "v=%d", &version)
	_, err2 := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &rounds, &lanes)
	salt, err3 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err4 := base64.RawStdEncoding.DecodeString(parts[5])
	switch {
	case errors.Join(err1, err2, err3, err4) != nil, version != argon2.Version, rounds < 1, rounds > 100, lanes < 1,
		memory > maxHashCost, len(sum) < 16, len(sum) > 64:
		return 0, 0, 0, nil, nil, errHash
	}
	return memory, rounds, lanes, salt, sum, nil
}

// checkPassword says what is wrong with a password that somebody chose.
func checkPassword(field string, password store.Secret) []Mistake {
	switch text := password.Reveal(); {
	case utf8.RuneCountInString(text) < minPassword:
		m := WrongField(field, "password_short", "The password is too short: at least %d characters, please.", minPassword)
		m.Args = Args("min", minPassword)
		return []Mistake{m}
	case len(text) > maxPassword || strings.ContainsRune(text, 0) || !utf8.ValidString(text):
		return []Mistake{WrongField(field, "password_malformed", "The password is too long, or has characters that can't be typed.")}
	}
	return nil
}
