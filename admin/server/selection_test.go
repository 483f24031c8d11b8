package server

import (
	"strings"
	"testing"

	"postferry/store"
)

// TestSelectionOfNoState: a state that is misspelt, or a server that is none, is told, rather than nothing be done.
func TestSelectionOfNoState(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	p.put("a.example", "anna@a.example")
	for _, in := range []map[string]any{{"state": "failde"}, {"problem": store.LoginRefused, "server": "both"}} {
		for _, do := range []string{"begin", "stop", "resume", "again", "check", "verify", "accounts/remove"} {
			if do == "verify" && in["problem"] != nil {
				continue // accounts are not verified by their problem
			}
			if got := c.want(422, "POST", aDomain+"/"+do, in, nil); !strings.Contains(got.text, `"unknown_value"`) {
				t.Errorf("%s %v: %s", do, in, got.text)
			}
		}
	}
	for _, query := range []string{"state=failde", "server=both"} {
		c.want(422, "GET", aDomain+"/accounts?"+query, nil, nil)
	}
}
