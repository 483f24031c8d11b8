// Package asciifold compares text without the case of ASCII letters: what protocols, logins and
// names of domains want. Every other octet counts as it is, valid UTF-8 or not.
package asciifold

import (
	"cmp"
	"strings"
)

// Lower lowers A to Z and leaves everything else alone.
func Lower(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return 'A' <= r && r <= 'Z' }) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}

// Compare orders texts as their lowered forms are ordered, and makes none: it is run for each
// flag of each message.
func Compare(a, b string) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(lower(a[i]), lower(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
