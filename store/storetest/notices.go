package storetest

import (
	"strings"
	"testing"

	"postferry/store"
)

// testNotices: what people were told is remembered, one of each kind, and goes with its domain.
func testNotices(t *testing.T, f *fixture) {
	all := []store.Notice{
		{Event: "digest", Text: []byte("1")},
		{Domain: "example.com", Event: "copied", Text: []byte("2")},
		{Domain: "example.com", Event: "trouble", Cause: "certificate old a", Text: []byte("3")},
		{Domain: "example.com", Event: "trouble", Cause: "certificate old b", Text: []byte("4")},
		{Domain: "example.com.au", Event: "copied", Text: []byte("5")},
		{Domain: "example.net", Event: "copied", Text: []byte("6")},
	}
	for i := range all {
		first := all[len(all)-1-i]
		first.Text = []byte("before")
		must(t, f.PutNotice(t.Context(), first))
	}
	for _, n := range all {
		must(t, f.PutNotice(t.Context(), n))
	}
	f.reopen()
	wantNotices(t, f, "all", all)

	must(t, f.DeleteNotice(t.Context(), all[3]))
	must(t, f.DeleteNotice(t.Context(), all[3]))
	must(t, f.Forget(t.Context(), "example.com"))
	must(t, f.PutDomain(t.Context(), store.Domain{Name: "example.net", Old: "imaps://a", New: "imaps://b"}))
	must(t, f.DeleteDomain(t.Context(), "example.net"))
	f.reopen()
	wantNotices(t, f, "what is left", []store.Notice{all[0], all[4]})

	for name, bad := range map[string]store.Notice{
		"no event": {Domain: "example.com"}, "a domain in capitals": {Domain: "Example.com", Event: "copied"},
		"a NUL": {Event: "copied", Cause: "a\x00b"}, "a long cause": {Event: "trouble", Cause: strings.Repeat("x", 2000)},
	} {
		wantError(t, name, f.PutNotice(t.Context(), bad), store.ErrInvalid)
	}
}

func wantNotices(t *testing.T, f *fixture, what string, want []store.Notice) {
	t.Helper()
	got, err := f.Notices(t.Context())
	must(t, err)
	wantEqual(t, what, got, want)
}
