package wire

import "strings"

// Field is a field of ID (RFC 2971). NIL is the same as no value.
type Field struct{ Name, Value string }

// Bounds of ID (RFC 2971 section 3.3).
const (
	maxIDFields = 30
	maxIDName   = 30
	maxIDValue  = 1024
)

// ParseID takes the fields out of a client's ID command, from its tag to its end. What is
// longer than it may be, or is no text, is left out. It returns false if it isn't one.
func ParseID(command []byte) (fields []Field, ok bool) {
	nodes, rest, ok := searchNodes(command, 0)
	if !ok || len(rest) > 0 || len(nodes) != 3 || nodes[1].atom() != "ID" {
		return nil, false
	}
	list := nodes[2].list
	if !nodes[2].sub {
		return nil, nodes[2].atom() == "NIL"
	}
	if len(list)%2 != 0 {
		return nil, false
	}
	for i := 0; i < len(list) && len(fields) < maxIDFields; i += 2 {
		name, value := list[i], list[i+1]
		switch {
		case !name.str || name.sub || value.sub || !value.str && value.atom() != "NIL":
			return nil, false
		case !value.str, name.text == "", len(name.text) > maxIDName, len(value.text) > maxIDValue, !Quotable(name.text + value.text):
		default:
			fields = append(fields, Field{strings.ToLower(name.text), value.text})
		}
	}
	return fields, true
}

// ID writes fields as the argument of ID.
func (e *Encoder) ID(fields []Field) *Encoder {
	if len(fields) == 0 {
		return e.Raw("NIL")
	}
	e.Raw("(")
	for i, f := range fields {
		if i > 0 {
			e.SP()
		}
		e.Quoted(f.Name).SP().Quoted(f.Value)
	}
	return e.Raw(")")
}
