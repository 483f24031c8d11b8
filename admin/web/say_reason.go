package web

import (
	"slices"
	"strconv"
	"strings"

	"postferry/report/reason"
)

// counted are the values that are numbers in texts with a plural.
var counted = []string{"Count", "Limit", "Folders", "Messages", "Listed", "Seen", "Known"}

// Reason says a reason in the page's language: why a message is in quarantine or missing, a folder is
// left alone, and what to know of a folder. What has no text is said in English.
func (w *words) Reason(r reason.Reason) string {
	all := r.Each()
	said := make([]string, len(all))
	for i, one := range all {
		said[i] = one.String()
		if text := w.coded(one.Code(), w.values(one)); text != "" {
			said[i] = text
		}
	}
	return strings.Join(said, ", ")
}

// noValue stands in a text for a value that isn't given (text/template).
const noValue = "<no value>"

// coded is the text of a code; "" if there is none, or if it says more than is known.
func (w *words) coded(code reason.Code, values map[string]any) string {
	if code == "" {
		return ""
	}
	text := w.textOr(string(code), "", values)
	if strings.Contains(text, noValue) {
		return ""
	}
	return text
}

// values are those of a text: reasons in the page's language, numbers where there are plurals, and whose server it is.
func (w *words) values(r reason.Reason) map[string]any {
	values := map[string]any{}
	if host := reason.Reason(r.Value("Who")).Value("Host"); host != "" {
		values["Host"] = host
	}
	for name, value := range r.Values() {
		values[name] = value
		switch n, err := strconv.ParseUint(value, 10, 63); {
		case reason.IsReason(name):
			values[name] = w.Reason(reason.Reason(value))
		case err == nil && slices.Contains(counted, name) && (strings.HasPrefix(string(r.Code()), "note.") || strings.HasPrefix(string(r.Code()), "trouble.")):
			values[name] = n
		}
	}
	return values
}
