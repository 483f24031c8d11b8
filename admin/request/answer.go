package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"postferry/admin/access"
)

func WriteJSON(w http.ResponseWriter, status int, v any) error {
	WriteJSONAs(w, "application/json", status, v)
	return nil
}

func WriteJSONAs(w http.ResponseWriter, kind string, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that has gone ends the request by itself
}

// IgnoreGone drops the error of writing to a client that has gone: there is
// nobody to tell.
func IgnoreGone(error) error { return nil }

// RefusalOf makes a refusal of any error of a handler.
func RefusalOf(err error) *access.Refusal {
	var known *access.Refusal
	var tooLarge *http.MaxBytesError
	if !errors.As(err, &known) && errors.As(err, &tooLarge) {
		return &access.Refusal{Kind: access.KindTooLarge, Code: "too_large", Args: access.Args("limit", tooLarge.Limit),
			Detail: fmt.Sprintf("That is too large: at most %d octets (%d MiB) are taken.", tooLarge.Limit, tooLarge.Limit>>20), Cause: err}
	}
	return access.AsRefusal(err)
}

// Status is how HTTP says it.
func Status(r *access.Refusal) int {
	switch r.Kind {
	case access.KindUnavailable:
		return http.StatusServiceUnavailable
	case access.KindMalformed:
		return http.StatusBadRequest
	case access.KindUnsupported:
		return http.StatusUnsupportedMediaType
	case access.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case access.KindUnauthorized:
		return http.StatusUnauthorized
	case access.KindForbidden:
		return http.StatusForbidden
	case access.KindNotFound:
		return http.StatusNotFound
	case access.KindConflict:
		return http.StatusConflict
	case access.KindInvalid:
		return http.StatusUnprocessableEntity
	case access.KindMethod:
		return http.StatusMethodNotAllowed
	case access.KindBusy:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}
