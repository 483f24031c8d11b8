package seal

import (
	"bytes"
	"testing"

	"postferry/store"
)

func TestSealer(t *testing.T) {
	s, err := New(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	box := s.Seal(1, OldPassword, "secret")
	if got, err := s.Open(1, OldPassword, box); err != nil || got != "secret" {
		t.Errorf("open: %q, %v", got.Reveal(), err)
	}
	if box == s.Seal(1, OldPassword, "secret") {
		t.Error("the same secret is sealed to the same box twice")
	}
	if len(box) > 24+16+len("secret") {
		t.Errorf("the box takes %d octets", len(box))
	}
	tests := map[string]func() (store.Secret, error){
		"of another account":      func() (store.Secret, error) { return s.Open(2, OldPassword, box) },
		"in another field":        func() (store.Secret, error) { return s.Open(1, NewPassword, box) },
		"with another key":        func() (store.Secret, error) { return other.Open(1, OldPassword, box) },
		"cut":                     func() (store.Secret, error) { return s.Open(1, OldPassword, box[:len(box)-1]) },
		"shorter than its nonce":  func() (store.Secret, error) { return s.Open(1, OldPassword, box[:20]) },
		"with a bit turned":       func() (store.Secret, error) { return s.Open(1, OldPassword, box[:30]+string(box[30]^1)+box[31:]) },
		"empty":                   func() (store.Secret, error) { return s.Open(1, OldPassword, "") },
		"with another first byte": func() (store.Secret, error) { return s.Open(1, OldPassword, string(box[0]^1)+box[1:]) },
	}
	for name, try := range tests {
		if got, err := try(); err == nil || got != "" {
			t.Errorf("box %s: opened", name)
		}
	}
}
