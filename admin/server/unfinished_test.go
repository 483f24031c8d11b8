package server

import (
	"strings"
	"testing"

	"postferry/admin/checks"
	"postferry/store"
)

// TestFinishedAccountsAreLeftAlone: a check or a verification of all accounts is about those that are not finished. The servers of
// the others are not contacted any more, and that is no failure of theirs.
func TestFinishedAccountsAreLeftAlone(t *testing.T) {
	p := startPage(t)
	c := p.program("a.example")
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	finish := func(id store.AccountID) {
		if _, _, err := p.store.Finish(t.Context(), []store.AccountID{id}, store.Report{Domain: "a.example", Text: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	finish(ids[0])
	var check checks.CheckView
	if c.want(202, "POST", aDomain+"/check", map[string]any{"all": true}, &check); check.Accounts != 1 {
		t.Errorf("%d are checked", check.Accounts)
	}
	var verified checks.VerifyView
	if c.want(202, "POST", aDomain+"/verify", map[string]any{"all": true}, &verified); verified.Accounts != 1 {
		t.Errorf("%d are verified", verified.Accounts)
	}
	eventually(t, "both have ended", func() bool {
		c.want(200, "GET", aDomain+"/check", nil, &check)
		c.want(200, "GET", aDomain+"/verify", nil, &verified)
		return check.Ended != nil && verified.Ended != nil
	})
	finish(ids[1])
	for _, do := range []string{"check", "verify"} {
		if got := c.want(409, "POST", aDomain+"/"+do, map[string]any{"all": true}, nil); !strings.Contains(got.text, `"no_accounts"`) {
			t.Error(got.text)
		}
	}
}
