// Package seal seals the secrets of accounts for whatever store keeps them, and finds the key: in the
// environment, among the credentials of systemd, or in the state directory.
package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"postferry/store"
)

// Field says which of an account's secrets is sealed. The values are part of
// the format; when the key is changed each of them is sealed anew.
type Field byte

const (
	// KeyCheck is a text that is known, by which a store recognises the key.
	KeyCheck    Field = 0
	OldPassword Field = 1
	NewPassword Field = 2
)

var errSealed = errors.New("holds a password that its key does not open")

// Sealer keeps secrets from whoever reads the database without the key:
// XChaCha20-Poly1305 with a random nonce for each secret, and with account
// and field as additional data, so that a sealed secret opens only in its
// own place.
type Sealer struct {
	aead cipher.AEAD
}

// New returns a sealer with the octets of a key.
func New(key []byte) (*Sealer, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead: aead}, nil
}

// Place is where a secret belongs: it opens nowhere else.
type Place []byte

func place(id store.AccountID, f Field) Place {
	return append(binary.BigEndian.AppendUint64([]byte("postferry"), uint64(id)), byte(f))
}

// PlaceOf is the place of a secret that is no account's password: of what kind, and whose. It
// is part of the format.
func PlaceOf(kind string, whose []byte) Place {
	return append([]byte("postferry "+kind+"\x00"), whose...) // longer than an account's, which has 18 octets
}

// Seal returns nonce and sealed text. The empty secret is sealed as well, so
// that a row does not tell who has none.
func (s *Sealer) Seal(id store.AccountID, f Field, secret store.Secret) string {
	return s.SealAt(place(id, f), secret)
}

// SealAt is Seal for any place.
func (s *Sealer) SealAt(at Place, secret store.Secret) string {
	box := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(secret)+chacha20poly1305.Overhead)
	rand.Read(box) // never fails (crypto/rand)
	return string(s.aead.Seal(box, box, []byte(secret), at))
}

// Open returns the secret of a box that was sealed for this place.
func (s *Sealer) Open(id store.AccountID, f Field, box string) (store.Secret, error) {
	return s.OpenAt(place(id, f), box)
}

// OpenAt is Open for any place.
func (s *Sealer) OpenAt(at Place, box string) (store.Secret, error) {
	if len(box) < chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return "", errSealed
	}
	nonce, sealed := box[:chacha20poly1305.NonceSizeX], box[chacha20poly1305.NonceSizeX:]
	text, err := s.aead.Open(nil, []byte(nonce), []byte(sealed), at)
	if err != nil {
		return "", errSealed
	}
	return store.Secret(text), nil
}
