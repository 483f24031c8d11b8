package store

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"
)

// field says which of an account's secrets is sealed. The values are part of
// the format. RotateKey seals each of them anew.
type field byte

const (
	fieldKeyCheck    field = 0
	fieldOldPassword field = 1
	fieldNewPassword field = 2
)

var errSealed = errors.New("holds a password that its key does not open")

// sealer keeps secrets from whoever reads the database without the key:
// XChaCha20-Poly1305 with a random nonce for each secret, and with account
// and field as additional data, so that a sealed secret opens only in its
// own place.
type sealer struct {
	aead cipher.AEAD
}

func newSealer(key []byte) (*sealer, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead}, nil
}

func place(id AccountID, f field) []byte {
	return append(binary.BigEndian.AppendUint64([]byte("postferry"), uint64(id)), byte(f))
}

// seal returns nonce and sealed text. The empty secret is sealed as well, so
// that a row does not tell who has none.
func (s *sealer) seal(id AccountID, f field, secret Secret) string {
	box := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(secret)+chacha20poly1305.Overhead)
	rand.Read(box) // never fails (crypto/rand)
	return string(s.aead.Seal(box, box, []byte(secret), place(id, f)))
}

func (s *sealer) open(id AccountID, f field, box string) (Secret, error) {
	if len(box) < chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return "", errSealed
	}
	nonce, sealed := box[:chacha20poly1305.NonceSizeX], box[chacha20poly1305.NonceSizeX:]
	text, err := s.aead.Open(nil, []byte(nonce), []byte(sealed), place(id, f))
	if err != nil {
		return "", errSealed
	}
	return Secret(text), nil
}
