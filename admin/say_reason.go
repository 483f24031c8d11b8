package admin

import (
	"regexp"
	"strings"

	"golang.org/x/text/language"
)

// reasonIDs are the texts of what the engine says of single messages.
var reasonIDs = []string{"refused", "refused_repaired", "not_now_new", "empty", "old_breaks", "new_breaks", "not_delivered", "not_now_old", "too_large", "removed"}

// reasonValue is a value in a text.
var reasonValue = regexp.MustCompile(`\\\{\\\{\\\.(\w+)\\\}\\\}`)

// Reason says in the page's language why a message is in quarantine or missing. The
// engine says and stores it in English: the English texts are the patterns it is
// recognised by. What is none of them stays as it is.
func (w *words) Reason(reason string) string {
	english := w.all.in(language.English)
	for _, id := range reasonIDs {
		text := english.T("reason."+id, "What", "{{.What}}", "Size", "{{.Size}}", "Limit", "{{.Limit}}")
		form, err := regexp.Compile("^" + reasonValue.ReplaceAllString(regexp.QuoteMeta(text), "(?P<$1>.*)") + "$")
		if err != nil {
			continue
		}
		if m := form.FindStringSubmatch(strings.TrimSpace(reason)); m != nil {
			values := map[string]any{}
			for i, name := range form.SubexpNames()[1:] {
				values[name] = m[i+1]
			}
			return w.textOr("reason."+id, reason, values)
		}
	}
	return reason
}
