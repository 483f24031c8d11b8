package server

import (
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/admin/web"
)

// TestFormsAreAnsweredAtAPage: a page that answers a form, with a question or with what is wrong, is shown as one that can be asked
// for: its language can be changed there, and of the tabs of a domain it is one.
func TestFormsAreAnsweredAtAPage(t *testing.T) {
	pages, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	s := newPageScene(t, "GET", "/")
	c := s.all[1]
	back, tabs := regexp.MustCompile(`name="back" value="([^"]*)"`), regexp.MustCompile(`(?s)<nav class="tabs".*?</nav>`)
	answered := 0
	for _, rt := range web.New(&admin.Service{}, nil, zerolog.Nop(), pages).Routes() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if method != "POST" || slices.Contains([]string{"/login", "/logout", "/language", "/welcome"}, path) {
			continue
		}
		for name, thing := range s.things {
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(thing))
		}
		for _, form := range []string{"", "do=remove&all=1", "do=add&url=http://x.example/&to=nobody", "do=save&kind=microsoft&side=new", "domain=" + ownDomain + "&old=other"} {
			got := c.do(method, path, form, "Content-Type", "application/x-www-form-urlencoded")
			found := back.FindStringSubmatch(got.text)
			if got.StatusCode == 303 {
				continue
			}
			answered++
			if len(found) == 0 {
				t.Errorf("%s with %q: %s\n%s", path, form, got.Status, got.text)
				continue
			}
			at := html.UnescapeString(found[1])
			if asked := c.do("GET", at, nil); asked.StatusCode != 200 {
				t.Errorf("%s with %q leads back to %s: %s", path, form, at, asked.Status)
			}
			nav := tabs.FindString(got.text)
			if n := strings.Count(nav, "aria-current"); strings.HasPrefix(at, "/d/") != (n == 1) || n > 1 {
				t.Errorf("%s with %q, at %s: %d tabs are this one\n%s", path, form, at, n, nav)
			}
		}
	}
	if answered < 40 {
		t.Errorf("%d forms were answered with a page", answered)
	}
}
