package web

import "testing"

// TestTabs: of the tabs of a domain one is marked, wherever in it a page is; elsewhere there are none.
func TestTabs(t *testing.T) {
	for path, want := range map[string]string{"/": "", "/audit": "", "/domains/new": "", "/d/": "", "/d//check": "",
		"/d/a.example": "tab.accounts", "/d/a.example/a/7": "tab.accounts", "/d/a.example/lists/1": "tab.accounts", "/d/a.example/check": "tab.check", "/d/a.example/settings": "tab.settings",
		"/d/a.example/mailboxes": "tab.connect", "/d/a.example/consents": "tab.connect", "/d/%62.example/check": "tab.check"} {
		all, marked := tabs(path, true), ""
		for _, x := range all {
			if x.Current {
				marked += x.Text
			}
		}
		if marked != want || len(all) > 0 != (want != "") {
			t.Errorf("%s: %d tabs, %q is marked", path, len(all), marked)
		}
	}
}
