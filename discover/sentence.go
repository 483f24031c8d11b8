package discover

import (
	"maps"
	"strings"
)

// Code says what happened, for programs. The codes are those of Sentences.
type Code = string

// Message is a sentence for people, with what is needed to say it in another language.
type Message struct {
	Code   Code              `json:"code"`
	Params map[string]string `json:"params"`
	Text   string            `json:"text"` // in English
	// Parts are the sentences that a parameter has in a row, for those by their
	// name that have any.
	Parts map[string][]Message `json:"parts,omitempty"`
}

// Sentences are all codes with their English sentences, in which {name}
// stands for a parameter. A translation is another such map.
func Sentences() map[Code]string { return maps.Clone(sentences) }

// say makes a message. params are names and values, alternating.
func say(code Code, params ...string) Message {
	m := Message{Code: code, Params: map[string]string{}}
	pairs := make([]string, 0, len(params))
	for i := 0; i+1 < len(params); i += 2 {
		value := printable(params[i+1])
		m.Params[params[i]] = value
		pairs = append(pairs, "{"+params[i]+"}", value)
	}
	m.Text = strings.NewReplacer(pairs...).Replace(sentences[code])
	return m
}

// partsBetween is between the sentences of a parameter.
const partsBetween = "; "

// with makes a message of which one more parameter is other messages.
func with(name string, parts []Message, code Code, params ...string) Message {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.Text
	}
	m := say(code, append(params, name, strings.Join(texts, partsBetween))...)
	m.Parts = map[string][]Message{name: parts}
	return m
}

// because makes a message of which another one is the cause.
func because(code Code, cause Message, params ...string) Message {
	return with("cause", []Message{cause}, code, params...)
}

// maxText bounds what is repeated of somebody else's words. Octets.
const maxText = 500

// printable makes foreign text fit for a page or a terminal: bounded, valid, on one line.
func printable(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxText)], "?")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029':
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1 // would turn the direction of what follows
		}
		return r
	}, text))
}
