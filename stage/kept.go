package stage

import (
	"encoding/json"
	"maps"
	"math"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

// Problem is what keeps an account from being copied, as an argument of a message.
type Problem struct {
	Kind         store.ProblemKind
	Server       store.Side
	Host, Folder string
	Summary      reason.Reason
}

func problemOf(p *store.Problem) Problem {
	if p == nil {
		return Problem{}
	}
	return Problem{p.Kind, p.Server, p.Host, p.Folder, p.Summary}
}

// String is the problem in English.
func (p Problem) String() string { return p.Summary.String() }

// MarshalText implements encoding.TextMarshaler: programs are told the English words.
func (p Problem) MarshalText() ([]byte, error) { return p.Summary.MarshalText() }

// keptProblem is a Problem in a row.
type keptProblem struct {
	Kind    store.ProblemKind `json:"kind,omitempty"`
	Server  store.Side        `json:"server,omitempty"`
	Host    string            `json:"host,omitempty"`
	Folder  string            `json:"folder,omitempty"`
	Summary string            `json:"summary"`
}

// Kept is a message for a row, as JSON: code and arguments, of which none is a sentence. Restored reads it.
func (m *Message) Kept() Message {
	k := Message{Code: m.Code, Args: maps.Clone(m.Args)}
	for name, value := range k.Args {
		switch v := value.(type) {
		case Problem:
			k.Args[name] = keptProblem{v.Kind, v.Server, v.Host, v.Folder, string(v.Summary)}
		case reason.Reason:
			k.Args[name] = string(v)
		}
	}
	for name, part := range m.Parts {
		if k.Parts == nil {
			k.Parts = map[string]Message{}
		}
		k.Parts[name] = part.Kept()
		delete(k.Args, name)
	}
	if sentences[m.Code] == "" {
		k.Text = m.Text
	}
	return k
}

// Restored is a message that was kept, with its arguments as they were and its sentence. Rows of earlier versions have
// sentences beside their codes, and a problem as a sentence; what has a code that isn't known stays as it is.
func (m *Message) Restored() Message {
	r := Message{Code: m.Code, Args: make(map[string]any, len(m.Args)), Text: m.Text}
	for name, value := range m.Args {
		r.Args[name] = restored(name, value)
	}
	for name, part := range m.Parts {
		if r.Parts == nil {
			r.Parts = map[string]Message{}
		}
		part = part.Restored()
		r.Parts[name], r.Args[name] = part, part.within()
	}
	switch {
	case sentences[m.Code] != "":
		r.Text = r.english()
	case m.Text == "":
		r.Text = m.Code
	}
	return r
}

// restored is an argument as it was before JSON, which knows texts and numbers only.
func restored(name string, value any) any {
	switch v := value.(type) {
	case string:
		switch name {
		case "problem":
			return Problem{Summary: reason.StoredProblem(v)}
		case "trouble":
			return reason.Stored(v)
		}
		if t, err := time.Parse(time.RFC3339, v); err == nil {
			return t
		}
	case float64:
		switch {
		case name == "wait" || name == "within":
			return Span(v)
		case v >= 0 && v == math.Trunc(v):
			return uint64(v)
		}
	case map[string]any:
		return restoredProblem(v)
	}
	return value
}

// restoredProblem reads a keptProblem.
func restoredProblem(value map[string]any) Problem {
	var k keptProblem
	if text, err := json.Marshal(value); err != nil || json.Unmarshal(text, &k) != nil {
		return Problem{}
	}
	return Problem{k.Kind, k.Server, k.Host, k.Folder, reason.StoredProblem(k.Summary)}
}
