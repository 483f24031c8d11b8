package reason

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Reason is a code with the values of its text, or several of them; "" is none. It is one string,
// as it is stored, so that reasons, and rows that have one, can be compared with ==:
//
//	reason.too_large?Limit=1+kB&Size=2+MB
//	repair.nul;repair.flags?Flags=%24a
//
// Only this package makes one out of text.
type Reason string

// separator stands between several; in a value it is escaped.
const separator = ";"

// said is the code of what has none: words of a server, or of another version of Postferry.
const said Code = "said"

// Of makes a reason. values come in the order of the names that the code has in the texts.
func Of(code Code, values ...any) Reason {
	names := texts[code].names
	set := url.Values{}
	for i := range min(len(values), len(names)) {
		set.Set(names[i], plain(values[i]))
	}
	return encode(code, set)
}

// plain is a value as text; a reason stays what it is.
func plain(value any) string {
	if r, ok := value.(Reason); ok {
		return string(r)
	}
	return fmt.Sprint(value)
}

func encode(code Code, values url.Values) Reason {
	if len(values) == 0 {
		return Reason(code)
	}
	return Reason(string(code) + "?" + values.Encode())
}

// Said is a reason that has only words.
func Said(words string) Reason {
	if words == "" {
		return ""
	}
	return encode(said, url.Values{"Words": {words}})
}

// All makes one of several reasons.
func All(reasons ...Reason) Reason {
	parts := make([]string, 0, len(reasons))
	for _, r := range reasons {
		if r != "" {
			parts = append(parts, string(r))
		}
	}
	return Reason(strings.Join(parts, separator))
}

// Each are the reasons that one is made of: itself, if it is not several.
func (r Reason) Each() []Reason {
	if r == "" {
		return nil
	}
	var all []Reason
	for part := range strings.SplitSeq(string(r), separator) {
		all = append(all, Reason(part))
	}
	return all
}

// Code is the code of a reason, of the first of several; "" of one that has none.
func (r Reason) Code() Code {
	code, _ := r.parts()
	if code == said {
		return ""
	}
	return code
}

// Value is the value of a name, "" if there is none.
func (r Reason) Value(name string) string {
	_, values := r.parts()
	return values.Get(name)
}

// Values are all values by their names. Those of IsReason are reasons again.
func (r Reason) Values() map[string]string {
	_, values := r.parts()
	all := make(map[string]string, len(values))
	for name := range maps.Keys(values) {
		all[name] = values.Get(name)
	}
	return all
}

// parts takes the first reason apart.
func (r Reason) parts() (Code, url.Values) {
	first, _, _ := strings.Cut(string(r), separator)
	code, query, _ := strings.Cut(first, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", nil
	}
	return Code(code), values
}

// IsReason tells whether the value of a name is a reason itself.
func IsReason(name string) bool {
	switch name {
	case "What", "Why", "Who", "Says", "Whose", "Need", "Room":
		return true
	}
	return false
}

// String is the reason in English.
func (r Reason) String() string {
	all := r.Each()
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = one.english()
	}
	return strings.Join(words, ", ")
}

// english is a single reason in English; of a code that isn't known, the code.
func (r Reason) english() string {
	code, values := r.parts()
	if code == said {
		return values.Get("Words")
	}
	text, ok := texts[code]
	switch {
	case !ok:
		return string(r)
	case len(values) == 0 && text.bare != "":
		return text.bare
	}
	args := make([]any, len(text.names))
	for i, name := range text.names {
		args[i] = values.Get(name)
		if IsReason(name) {
			args[i] = Reason(values.Get(name)).String()
		}
	}
	return capital(fmt.Sprintf(text.format, args...), text)
}

// capital lets a sentence begin with a capital letter where a server's name begins it.
func capital(sentence string, t text) string {
	if after, ok := strings.CutPrefix(sentence, "the "); ok && t.begins() {
		return "The " + after
	}
	return sentence
}

// MarshalText implements encoding.TextMarshaler: programs are told the English words.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler for who only shows what he was told.
func (r *Reason) UnmarshalText(words []byte) error {
	*r = Said(string(words))
	return nil
}

// Codes are those whose names begin with a prefix, sorted.
func Codes(prefix string) []Code {
	var codes []Code
	for _, code := range slices.Sorted(maps.Keys(texts)) {
		if strings.HasPrefix(string(code), prefix) {
			codes = append(codes, code)
		}
	}
	return codes
}

// Names are the names of a code's values.
func (c Code) Names() []string { return slices.Clone(texts[c].names) }
