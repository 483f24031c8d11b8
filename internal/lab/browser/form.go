package browser

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Form is what a browser sends of the form with an action if nothing is
// changed in it.
func Form(tb testing.TB, page, action string) url.Values {
	tb.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		tb.Fatal(err)
	}
	values := url.Values{}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "form" && attribute(n, "action") == action {
			addFields(values, n)
			return values
		}
	}
	tb.Fatalf("there is no form for %s:\n%s", action, page)
	return nil
}

// addFields adds what is below an element.
func addFields(values url.Values, n *html.Node) {
	for c := range n.ChildNodes() {
		if c.Data == "fieldset" && has(c, "disabled") {
			continue
		}
		addField(values, c)
		addFields(values, c)
	}
}

// addField adds what an element contributes to a form.
func addField(values url.Values, n *html.Node) {
	name := attribute(n, "name")
	if n.Type != html.ElementNode || name == "" || has(n, "disabled") {
		return
	}
	switch kind := attribute(n, "type"); {
	case n.Data == "input" && (kind == "checkbox" || kind == "radio") && !has(n, "checked"):
	case n.Data == "input":
		values.Add(name, attribute(n, "value"))
	case n.Data == "textarea":
		text := ""
		for c := range n.ChildNodes() {
			text += c.Data
		}
		values.Add(name, text)
	case n.Data == "select":
		first, chosen := true, ""
		for option := range n.Descendants() {
			if option.Data == "option" && (first || has(option, "selected")) {
				first, chosen = false, attribute(option, "value")
			}
		}
		values.Add(name, chosen)
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
