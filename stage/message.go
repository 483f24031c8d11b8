package stage

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"postferry/report/reason"
)

// Code says what a message is about, for programs. The codes are those of Sentences.
type Code = string

// Message is a sentence for people, with what is needed to say it in another language.
type Message struct {
	Code Code           `json:"code"`
	Args map[string]any `json:"args"` // texts, numbers, and instants (RFC 3339); a Span, a Problem and a reason within Postferry
	Text string         `json:"text"` // in English
	// Parts are the messages that an argument is, by its name.
	Parts map[string]Message `json:"parts,omitempty"`
}

// Sentences are all codes with their English sentences, in which {name} stands for an argument.
// A translation is another such map.
func Sentences() map[Code]string { return maps.Clone(sentences) }

// say makes a message. args are names and values, alternating.
func say(code Code, args ...any) Message {
	m := Message{Code: code, Args: map[string]any{}}
	for i := 0; i+1 < len(args); i += 2 {
		name := args[i].(string)
		if !strings.Contains(sentences[code], "{"+name+"}") {
			continue // what several sentences have in common
		}
		value := args[i+1]
		if t, ok := value.(time.Time); ok {
			value = t.UTC()
		}
		m.Args[name] = value
	}
	m.Text = m.english()
	return m
}

// english is the sentence of a message.
func (m *Message) english() string {
	var pairs []string
	for name, value := range m.Args {
		pairs = append(pairs, "{"+name+"}", shown(value))
	}
	return strings.NewReplacer(pairs...).Replace(sentences[m.Code])
}

// with makes a message of which one more argument is another message.
func with(code Code, name string, part Message, args ...any) Message {
	m := say(code, append(args, name, part.within())...)
	m.Parts = map[string]Message{name: part}
	return m
}

// within is a message as it stands in another one.
func (m *Message) within() string { return strings.TrimSuffix(m.Text, ".") }

// shown is an argument for people.
func shown(value any) string {
	switch v := value.(type) {
	case time.Time:
		return v.Local().Format("2006-01-02 15:04")
	case reason.Reason:
		return strings.TrimSuffix(v.String(), ".")
	case string:
		return v
	}
	return fmt.Sprint(value)
}
