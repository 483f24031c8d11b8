package console

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"postferry/internal/control"
)

// StatusJSON prints one JSON object, an account a line, without ever holding
// more than one account.
type StatusJSON struct {
	w        *bufio.Writer
	accounts int
}

// NewStatusJSON prints a status for programs, as one JSON object.
func NewStatusJSON(w io.Writer) *StatusJSON {
	return &StatusJSON{w: bufio.NewWriter(w)}
}

// Print implements StatusPrinter.
func (s *StatusJSON) Print(r control.StatusRecord) error {
	switch {
	case r.Totals != nil:
		return s.put(`{"totals":`, r.Totals)
	case s.accounts == 0:
		s.accounts++
		return s.put(",\n\"accounts\":[\n", r.Account)
	default:
		s.accounts++
		return s.put(",\n", r.Account)
	}
}

// put writes a value after what separates it from the one before.
func (s *StatusJSON) put(before string, v any) error {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false) // folder names have ampersands
	if err := enc.Encode(v); err != nil {
		return err
	}
	if _, err := s.w.WriteString(before); err != nil {
		return err
	}
	_, err := s.w.Write(bytes.TrimSuffix(data.Bytes(), []byte("\n")))
	return err
}

// End implements StatusPrinter.
func (s *StatusJSON) End() error {
	closing := "]}\n"
	if s.accounts == 0 {
		closing = ",\n\"accounts\":[]}\n"
	}
	if _, err := s.w.WriteString(closing); err != nil {
		return err
	}
	return s.w.Flush()
}
