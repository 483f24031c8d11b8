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
		if code := one.Code(); code != "" {
			said[i] = w.textOr(string(code), said[i], w.values(one))
		}
	}
	return strings.Join(said, ", ")
}

// values are those of a text: reasons in the page's language, and numbers where there are plurals.
func (w *words) values(r reason.Reason) map[string]any {
	values := map[string]any{}
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
