package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"postferry/internal/asciifold"
)

// text is a parser of values that must be text.
func text[T any](example string, parse func(string) (T, error)) func(value) (T, error) {
	return func(v value) (T, error) {
		if v.kind != unstable.String {
			var zero T
			return zero, fmt.Errorf("expected text in quotes, e.g. %q, not %s", example, kindName(v.kind))
		}
		return parse(v.text)
	}
}

// boolean reads true or false.
func boolean(v value) (bool, error) {
	if v.kind != unstable.Bool {
		return false, fmt.Errorf("expected true or false (without quotes), not %s", kindName(v.kind))
	}
	return v.text == "true", nil
}

// integer reads a whole number between low and high.
func integer(low, high int) func(value) (int, error) {
	return func(v value) (int, error) {
		if v.kind != unstable.Integer {
			return 0, fmt.Errorf("expected a whole number (without quotes) between %d and %d, not %s", low, high, kindName(v.kind))
		}
		n, err := strconv.Atoi(strings.ReplaceAll(v.text, "_", ""))
		if err != nil || n < low || n > high {
			return 0, fmt.Errorf("expected a whole number between %d and %d", low, high)
		}
		return n, nil
	}
}

// duration reads a time span between low and high.
func duration(low, high time.Duration) func(value) (time.Duration, error) {
	return text("20s", func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf(`%q is not a time span; expected e.g. "20s", "15m" or "1h30m"`, s)
		}
		if d < low || d > high {
			return 0, fmt.Errorf("%q is out of range; expected between %s and %s", s, plain(low), plain(high))
		}
		return d, nil
	})
}

// plain prints a duration without its zero parts: 5m and not 5m0s.
func plain(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// units of sizes, in octets.
var units = map[string]int64{
	"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
}

// parseSize reads a size with its unit: "256MB" (10^6) or "64MiB" (2^20).
func parseSize(s string) (int64, error) {
	bad := fmt.Errorf(`%q is not a size; expected a whole number with a unit, e.g. "256MB" or "64MiB"`, s)
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, ok := units[asciifold.Lower(s[len(digits):])]
	n, err := strconv.ParseInt(strings.TrimRight(digits, " "), 10, 64)
	if err != nil || !ok || n < 0 {
		return 0, bad
	}
	if n > 1<<50/unit {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return n * unit, nil
}

// size reads a size of at least low octets.
func size(low int64) func(value) (int64, error) {
	return text("256MB", func(s string) (int64, error) {
		n, err := parseSize(s)
		if err == nil && n < low {
			return 0, fmt.Errorf("%q is too small; expected at least %dMiB", s, low>>20)
		}
		return n, err
	})
}

// sizeOrNone reads a size of at least low octets, or "" for 0.
func sizeOrNone(low int64, example string) func(value) (int64, error) {
	return text(example, func(s string) (int64, error) {
		if s == "" {
			return 0, nil
		}
		n, err := parseSize(s)
		if err == nil && n < low {
			return 0, fmt.Errorf(`%q is too small; expected at least "%dkB", or "" for no limit`, s, low/1000)
		}
		return n, err
	})
}

// texts reads a list of texts.
func texts(example string, parse func(string) (string, error)) func(value) ([]string, error) {
	return func(v value) ([]string, error) {
		if v.kind != unstable.Array {
			return nil, fmt.Errorf("expected a list of texts, e.g. [%q], not %s", example, kindName(v.kind))
		}
		var all []string
		for _, item := range v.list {
			s, err := text(example, parse)(item)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		return all, nil
	}
}

// oneOf reads one of a few words.
func oneOf(words ...string) func(value) (string, error) {
	return text(words[0], func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("%q is unknown; expected %s", s, orList(words))
		}
		return s, nil
	})
}

// orList lists words for people: "a", "b" or "c".
func orList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// parseListen reads a listening address; "" for none. Port 0 lets the system choose.
func parseListen(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf(`%q is not host:port; expected e.g. ":993"`, s)
	}
	if _, err := parsePort(port, 0); err != nil {
		return "", fmt.Errorf("%q: %w", s, err)
	}
	return s, nil
}

// ParseDomainName reads a domain's name.
func ParseDomainName(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New(`must not be empty; expected e.g. "example.com"`)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("@/:\"", r) }):
		return "", fmt.Errorf(`%q is not a domain; expected what follows the @ in addresses, e.g. "example.com"`, s)
	case strings.HasPrefix(s, "."), strings.HasSuffix(s, "."), strings.Contains(s, ".."):
		return "", fmt.Errorf(`%q has a dot too many; expected e.g. "example.com"`, s)
	case len(s) > 253:
		return "", errors.New("is longer than 253 characters")
	}
	return asciifold.Lower(s), nil
}

// ParseFingerprint reads the SHA-256 of a certificate: 64 hexadecimal digits, with
// or without colons; "" for none.
func ParseFingerprint(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != 32 {
		return nil, errors.New("expected the SHA-256 of the certificate: 64 hexadecimal digits, colons allowed " +
			"(openssl x509 -in cert.pem -noout -fingerprint -sha256)")
	}
	return b, nil
}
