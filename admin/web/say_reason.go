package web

import (
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/text/language"
)

// reasonIDs are the texts of what the engine says of single messages and of folders
// that it could not compare.
var reasonIDs = []string{
	"refused", "refused_repaired", "not_now_new", "empty", "old_breaks", "new_breaks", "not_delivered", "not_now_old", "too_large",
	"differs_old", "endless_old", "changed_new", "not_delivered_new", "new_breaks_read", "odd_date",
	"removed", "not_yet", "never", "other_folder", "other_message", "unlisted", "finished", "octets",
	"some_left", "all_copied", "left_old", "deleted_there", "left_out", "omitted", "list_breaks", "list_unread",
}

// repairIDs are the texts of what the engine does to messages that are refused.
var repairIDs = []string{"nul", "bare_lf", "end_completed", "end_added", "empty_header", "mbox", "blanks", "joined", "folded", "flags", "keywords", "date"}

// saying is a sentence of the engine that there is a text for.
type saying struct {
	id   string
	form *regexp.Regexp // with a group for each value
}

// sayingValues are the values that sayings have.
var sayingValues = []any{"What", "{{.What}}", "Size", "{{.Size}}", "Limit", "{{.Limit}}", "Flags", "{{.Flags}}", "Was", "{{.Was}}", "Now", "{{.Now}}", "Count", "{{.Count}}"}

var sayingValue = regexp.MustCompile(`\\\{\\\{\\\.(\w+)\\\}\\\}`)

// sayings are the English texts of ids as patterns.
func (t *texts) sayings(prefix string, ids []string) ([]saying, error) {
	all := make([]saying, len(ids))
	english := t.in(language.English)
	for i, id := range ids {
		text := regexp.QuoteMeta(english.T(prefix+id, sayingValues...))
		form, err := regexp.Compile("^" + sayingValue.ReplaceAllString(text, "(?P<$1>.*)") + "$")
		if err != nil {
			return nil, fmt.Errorf("texts of the page: %s%s: %w", prefix, id, err)
		}
		all[i] = saying{prefix + id, form}
	}
	return all, nil
}

// Reason says in the page's language why a message is in quarantine or missing. The
// engine says and stores it in English: the English texts are the patterns it is
// recognised by. What is none of them stays as it is.
func (w *words) Reason(reason string) string {
	id, values := recognise(w.all.reasons, reason)
	if id == "" {
		return reason
	}
	if what, ok := values["What"].(string); ok {
		values["What"] = w.repairs(what)
	}
	return w.textOr(id, reason, values)
}

// repairs says what was done to a message.
func (w *words) repairs(what string) string {
	done := strings.Split(what, ", ")
	for i, text := range done {
		if id, values := recognise(w.all.repairs, text); id != "" {
			done[i] = w.textOr(id, text, values)
		}
	}
	return strings.Join(done, ", ")
}

// recognise finds the saying that a sentence is, and its values; "" if it is none.
func recognise(all []saying, text string) (id string, values map[string]any) {
	for _, s := range all {
		if m := s.form.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
			values = map[string]any{}
			for i, name := range s.form.SubexpNames()[1:] {
				values[name] = m[i+1]
			}
			return s.id, values
		}
	}
	return "", nil
}
