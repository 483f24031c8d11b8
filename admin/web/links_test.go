package web

import "testing"

// A link to this page must not lead to another site.
func TestNextLeadsNowhereElse(t *testing.T) {
	for address, want := range map[string]string{
		"/d/a.example?x=1": "/d/a.example?x=1", "": "/", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/",
		"javascript:alert(1)": "/", "/a\r\nX: y": "/", "evil.example": "/",
	} {
		if got := localPath(address); got != want {
			t.Errorf("%q leads to %q", address, got)
		}
	}
}
