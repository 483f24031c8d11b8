package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postferry/store"
)

// Kind says of what kind a refusal is. Who answers by HTTP has a status for each.
type Kind int

// The kinds.
const (
	KindInternal     Kind = iota // something went wrong here
	KindUnavailable              // not now: Postferry ends, or it took too long
	KindMalformed                // what was sent can't be read
	KindUnsupported              // it is in a form that is not taken
	KindTooLarge                 // it is larger than is taken
	KindUnauthorized             // nobody knows who asks
	KindForbidden                // it is not for who asks
	KindNotFound                 // there is no such thing, or none for who asks
	KindConflict                 // it can't be done as things are
	KindInvalid                  // something that was given is wrong
	KindBusy                     // more than can be done at a time
	KindMethod                   // it is there, but this can't be done with it
)

// Refusal is why a use case did not do what was asked. It is for the person or
// the program that asked; what is for the log alone is in cause.
type Refusal struct {
	Kind Kind
	Code string // stable, snake_case: for programs and translations
	// Args are what the sentence of Code is about: figures and names, by their
	// names in snake_case. Never a secret.
	Args   map[string]any
	Detail string // the sentence, in English
	// Mistakes are all that is wrong with what was given, in order.
	Mistakes []Mistake
	Retry    time.Duration // when it makes sense to ask again; 0 if that won't help
	Cause    error
}

// Mistake is one thing that is wrong with what was given.
type Mistake struct {
	Line  int            `json:"line,omitempty"`  // of a list, from 1
	Field string         `json:"field,omitempty"` // of a form or JSON object
	Code  string         `json:"code"`
	Args  map[string]any `json:"args,omitempty"`
	Text  string         `json:"text"`
}

func (r *Refusal) Error() string {
	if r.Cause != nil {
		return r.Detail + ": " + r.Cause.Error()
	}
	return r.Detail
}

func (r *Refusal) Unwrap() error { return r.Cause }

// Failed reports that it is not for who asked to put right.
func (r *Refusal) Failed() bool { return r.Kind == KindInternal || r.Kind == KindUnavailable }

// Args makes the arguments of a sentence of names and values, in turn.
func Args(pairs ...any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// NotFound is for what does not exist, or is none of the actor's business:
// nobody learns which.
func NotFound(what string) error {
	return &Refusal{Kind: KindNotFound, Code: "not_found", Args: Args("what", what), Detail: "There is no such " + what + "."}
}

func Forbidden() error {
	return &Refusal{Kind: KindForbidden, Code: "forbidden", Detail: "This is for administrators of all domains only."}
}

func Unauthorized() error {
	return &Refusal{Kind: KindUnauthorized, Code: "unauthorized", Detail: "Log in first, or send a token."}
}

// Conflict is for what can't be done as things are.
func Conflict(code, format string, a ...any) *Refusal {
	return &Refusal{Kind: KindConflict, Code: code, Detail: fmt.Sprintf(format, a...)}
}

// Invalid is for input that is wrong.
func Invalid(mistakes ...Mistake) error {
	return &Refusal{Kind: KindInvalid, Code: "invalid", Mistakes: mistakes,
		Detail: "Something that was given is not right."}
}

// WrongField is the mistake of one field.
func WrongField(field, code, format string, a ...any) Mistake {
	return Mistake{Field: field, Code: code, Text: fmt.Sprintf(format, a...)}
}

// Busy is for more than can be done at a time.
func Busy(code, detail string, retry time.Duration) error {
	return &Refusal{Kind: KindBusy, Code: code, Detail: detail, Retry: retry,
		Args: Args("seconds", int(retry.Seconds()))}
}

// AsRefusal makes a refusal of any error. What it was not made for is an
// internal error, whose cause the person is not told.
func AsRefusal(err error) *Refusal {
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, store.ErrNotFound):
		return NotFound("entry").(*Refusal)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, store.ErrClosed):
		return &Refusal{Kind: KindUnavailable, Code: "ending", Retry: 10 * time.Second, Cause: err,
			Detail: "This took too long, or Postferry is ending. Try again in a moment."}
	}
	return &Refusal{Kind: KindInternal, Code: "internal", Cause: err,
		Detail: "Something went wrong inside Postferry. Its log says what."}
}
