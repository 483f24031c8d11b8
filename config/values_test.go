package config

import (
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	good := map[string]int64{
		"0B": 0, "1b": 1, "3kB": 3000, "3KB": 3000, "256MB": 256e6, "64MiB": 64 << 20, "64mib": 64 << 20,
		"2 GB": 2e9, "1GiB": 1 << 30, "7KiB": 7 << 10,
	}
	for s, want := range good {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "1", "MB", "-1MB", "1.5MB", "1TB", "1M", "1MBit", "1 M B", "0x1MB", "99999999999999999999MB", "9223372036854775807GiB", "1\u00a0MB"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("%q was accepted as %d", s, got)
		}
	}
}

func TestPlainDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", 5 * time.Minute: "5m", time.Hour: "1h", 10 * time.Hour: "10h",
		90 * time.Minute: "1h30m", 10 * time.Second: "10s", 20 * time.Minute: "20m",
	} {
		if got := plain(d); got != want {
			t.Errorf("%v: got %s", d, got)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"imaps", "imap", "visit_wait", "max_connections"}
	for name, want := range map[string]string{
		"imasp": `; did you mean "imaps"?`, "IMAP": `; did you mean "imap"?`, "visitwait": `; did you mean "visit_wait"?`,
		"maximum_connections": `; did you mean "max_connections"?`,
		"certificate":         `; expected one of imap, imaps, max_connections, visit_wait`,
	} {
		if got := didYouMean(name, known, "%q"); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
