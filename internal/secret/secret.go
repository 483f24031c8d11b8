// Package secret has the type of texts that nobody but the one they are meant for may see:
// passwords, tokens, keys. It knows nothing of what they open.
package secret

import (
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Text is a password, a token or a key. Every way of printing it shows a mask, so
// that it cannot reach a log, an error or a page by accident; Reveal is the
// one way to the text. Two uses defeat the mask: as an unexported field of what is printed,
// and as the key of a map in JSON.
type Text string

// mask stands for a secret wherever one is printed.
const mask = "[secret]"

// Reveal returns the secret itself, for the server it is meant for.
func (s Text) Reveal() string { return string(s) }

// Format implements fmt.Formatter with a mask for every verb, also those that
// do not fit a string.
func (s Text) Format(f fmt.State, _ rune) { io.WriteString(f, mask) }

// String implements fmt.Stringer with a mask.
func (s Text) String() string { return mask }

// GoString implements fmt.GoStringer with a mask.
func (s Text) GoString() string { return mask }

// MarshalText implements encoding.TextMarshaler with a mask (JSON, TOML, zerolog).
func (s Text) MarshalText() ([]byte, error) { return []byte(mask), nil }

// Hide puts a mask in place of secrets in what somebody says who has been told them, also as they stand in addresses.
func Hide(said string, secrets ...Text) string {
	for _, s := range secrets {
		for _, form := range []string{string(s), url.QueryEscape(string(s)), url.PathEscape(string(s))} {
			if form != "" {
				said = strings.ReplaceAll(said, form, mask)
			}
		}
	}
	return said
}
