package config

import (
	"net/netip"
	"testing"
)

func TestParsePrefix(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.10": "192.0.2.10/32", "::ffff:192.0.2.10": "192.0.2.10/32", "192.0.2.77/24": "192.0.2.0/24", "2001:db8::1": "2001:db8::1/128", "2001:db8::1/64": "2001:db8::/64",
		"": "", "balancer": "", "192.0.2.10/40": "", "192.0.2.10:993": "",
	} {
		got, err := parsePrefix(text)
		if want == "" && err == nil || want != "" && got != netip.MustParsePrefix(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
