package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"postferry/store"
)

// refusal is why a use case did not do what was asked. It is for the person or
// the program that asked; what is for the log alone is in cause.
type refusal struct {
	status int    // of HTTP
	Code   string // stable, snake_case: for programs and translations
	// Args are what the sentence of Code is about: figures and names, by their
	// names in snake_case. Never a secret.
	Args   map[string]any
	Detail string // the sentence, in English
	// Mistakes are all that is wrong with what was given, in order.
	Mistakes []mistake
	retry    time.Duration // when it makes sense to ask again; 0 if that won't help
	cause    error
}

// mistake is one thing that is wrong with what was given.
type mistake struct {
	Line  int            `json:"line,omitempty"`  // of a list, from 1
	Field string         `json:"field,omitempty"` // of a form or JSON object
	Code  string         `json:"code"`
	Args  map[string]any `json:"args,omitempty"`
	Text  string         `json:"text"`
}

func (r *refusal) Error() string {
	if r.cause != nil {
		return r.Detail + ": " + r.cause.Error()
	}
	return r.Detail
}

func (r *refusal) Unwrap() error { return r.cause }

// args makes the arguments of a sentence of names and values, in turn.
func args(pairs ...any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// errNotFound is for what does not exist, or is none of the actor's business:
// nobody learns which.
func errNotFound(what string) error {
	return &refusal{status: http.StatusNotFound, Code: "not_found", Args: args("what", what), Detail: "There is no such " + what + "."}
}

func errForbidden() error {
	return &refusal{status: http.StatusForbidden, Code: "forbidden", Detail: "This is for administrators of all domains only."}
}

func errUnauthorized() error {
	return &refusal{status: http.StatusUnauthorized, Code: "unauthorized", Detail: "Log in first, or send a token."}
}

// errConflict is for what can't be done as things are.
func errConflict(code, format string, a ...any) *refusal {
	return &refusal{status: http.StatusConflict, Code: code, Detail: fmt.Sprintf(format, a...)}
}

// errInvalid is for input that is wrong.
func errInvalid(mistakes ...mistake) error {
	return &refusal{status: http.StatusUnprocessableEntity, Code: "invalid", Mistakes: mistakes,
		Detail: "Something that was given is not right."}
}

// wrongField is the mistake of one field.
func wrongField(field, code, format string, a ...any) mistake {
	return mistake{Field: field, Code: code, Text: fmt.Sprintf(format, a...)}
}

// errBusy is for more than can be done at a time.
func errBusy(code, detail string, retry time.Duration) error {
	return &refusal{status: http.StatusTooManyRequests, Code: code, Detail: detail, retry: retry,
		Args: args("seconds", int(retry.Seconds()))}
}

// asRefusal makes a refusal of any error. What it was not made for is an
// internal error, whose cause the person is not told.
func asRefusal(err error) *refusal {
	var r *refusal
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &tooLarge):
		return &refusal{status: http.StatusRequestEntityTooLarge, Code: "too_large", Args: args("limit", tooLarge.Limit),
			Detail: fmt.Sprintf("That is too large: at most %d octets are taken.", tooLarge.Limit), cause: err}
	case errors.Is(err, store.ErrNotFound):
		return errNotFound("entry").(*refusal)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, store.ErrClosed):
		return &refusal{status: http.StatusServiceUnavailable, Code: "ending", retry: 10 * time.Second, cause: err,
			Detail: "This took too long, or Postferry is ending. Try again in a moment."}
	}
	return &refusal{status: http.StatusInternalServerError, Code: "internal", cause: err,
		Detail: "Something went wrong inside Postferry. Its log says what."}
}
