package backend

import "testing"

func TestMessageID(t *testing.T) {
	m := messageID{12, 3, "\x00\x00\x00\x05\xff"}
	if back, ok := ParseMessageID(m.String()); !ok || back != m || m.String() != "12.3.00000005ff" {
		t.Errorf("%s -> %+v", m, back)
	}
	for _, bad := range []string{"", "1", "1.2", "1.2.", "1.2.0g", "1.x.00", "-1.2.00", "1.99999999999.00", "1.2.00.4", "anna@example.com"} {
		if m, ok := ParseMessageID(bad); ok {
			t.Errorf("%q: %+v", bad, m)
		}
	}
}
