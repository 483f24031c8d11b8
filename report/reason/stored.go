package reason

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Stored reads a reason out of a row. Until schema 3 grew codes, rows had the English sentence
// instead: what is one of those becomes its code, and other words stay words.
func Stored(row string) Reason {
	return stored(row, kept)
}

// StoredProblem is Stored for why an account was not copied.
func StoredProblem(row string) Reason { return stored(row, keptTroubles) }

func stored(row string, codes []Code) Reason {
	if row == "" || isReason(row) {
		return Reason(row)
	}
	if r := recognise(row, codes); r != "" {
		return r
	}
	return Said(row)
}

// StoredRepairs is Stored for what was done to a message, of which rows had a list in English.
func StoredRepairs(row string) Reason {
	if row == "" || isReason(row) {
		return Reason(row)
	}
	var all []Reason
	for done := range strings.SplitSeq(row, ", ") {
		r := recognise(done, Codes("repair."))
		if r == "" {
			r = Said(done)
		}
		all = append(all, r)
	}
	return All(all...)
}

// form is what a reason looks like. No sentence does: there is a blank in each, and no dot in a word.
var form = regexp.MustCompile(`^([a-z_]+\.[a-z_0-9]+|said)(\?[^;? ]+)?(;([a-z_]+\.[a-z_0-9]+|said)(\?[^;? ]+)?)*$`)

// isReason tells whether a text is a reason as this package writes them, all of them known.
func isReason(row string) bool {
	if !form.MatchString(row) {
		return false
	}
	for _, r := range Reason(row).Each() {
		code, values := r.parts()
		if _, known := texts[code]; !known && (code != said || !values.Has("Words")) {
			return false
		}
	}
	return true
}

// kept are the codes whose sentences rows had: of messages in quarantine, of folders, and of what keeps mail from going back.
var kept = []Code{
	Refused, RefusedRepaired, NotNowNew, Empty, OldBreaks, NewBreaks, NotDelivered, NotNowOld, TooLarge, DiffersOld, EndlessOld, ChangedNew, CopyLost, LostOrRemoved,
	LeftByConfig, LeftShared, LeftView, LeftLong, LeftDeep, LeftOmitted, NotMapped,
	BackNoUIDs, BackNoUIDsNew, BackFull, BackRefusing, BackAllMail,
}

// keptTroubles are the same of problems, but for what fits too many sentences.
var keptTroubles = slices.Concat([]Code{NoDomain}, slices.DeleteFunc(Codes("trouble."), func(c Code) bool { return c == TroubleRefused }))

// within are the codes of reasons that are values of others.
var within = slices.Concat(Codes("server."), Codes("whose."), []Code{Messages})

// recognise finds the one among codes whose words a sentence is; "" if there is none.
func recognise(sentence string, codes []Code) Reason {
	for _, code := range codes {
		t := texts[code]
		if t.bare != "" && sentence == t.bare {
			return Of(code)
		}
		if values, ok := t.match(sentence); ok {
			return encode(code, values)
		}
	}
	return ""
}

// verb is where a value goes.
var verb = regexp.MustCompile(`%[sq]`)

// match takes the values out of a sentence. A value is as long as it can be, the last one excepted.
func (t text) match(sentence string) (url.Values, bool) {
	between := verb.Split(t.format, -1)
	verbs := verb.FindAllString(t.format, -1)
	rest, ok := strings.CutPrefix(sentence, between[0])
	if !ok || len(verbs) == 0 {
		return nil, ok && rest == ""
	}
	last := len(verbs)
	if rest, ok = strings.CutSuffix(rest, between[last]); !ok {
		return nil, false
	}
	values := url.Values{}
	for i, name := range t.names {
		value := rest
		if i+1 < last {
			at := strings.LastIndex(rest, between[i+1])
			if at < 0 {
				return nil, false
			}
			value, rest = rest[:at], rest[at+len(between[i+1]):]
		}
		if value, ok = unquoted(verbs[i], value); !ok {
			return nil, false
		}
		if IsReason(name) {
			value = string(t.inner(name, value))
		}
		values.Set(name, value)
	}
	return values, true
}

// inner reads a value that is a reason.
func (t text) inner(name, value string) Reason {
	if after, ok := strings.CutPrefix(value, "The "); ok && name == "Who" && t.begins() {
		value = "the " + after
	}
	if name != "What" && name != "Why" {
		if r := recognise(value, within); r != "" {
			return r
		}
	}
	return StoredRepairs(value)
}

// unquoted takes a value's quotation marks off, if it has them for its verb.
func unquoted(verb, value string) (string, bool) {
	if verb != "%q" {
		return value, true
	}
	value, err := strconv.Unquote(value)
	return value, err == nil
}
