package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"postferry/internal/control"
)

// statusJSON prints one JSON object, an account a line, without ever holding
// more than one account.
type statusJSON struct {
	w        *bufio.Writer
	accounts int
}

func newStatusJSON(w io.Writer) *statusJSON {
	return &statusJSON{w: bufio.NewWriter(w)}
}

func (s *statusJSON) print(r control.StatusRecord) error {
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
func (s *statusJSON) put(before string, v any) error {
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

func (s *statusJSON) end() error {
	closing := "]}\n"
	if s.accounts == 0 {
		closing = ",\n\"accounts\":[]}\n"
	}
	if _, err := s.w.WriteString(closing); err != nil {
		return err
	}
	return s.w.Flush()
}
