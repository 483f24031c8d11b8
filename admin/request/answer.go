package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"postferry/admin"
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
func RefusalOf(err error) *admin.Refusal {
	var known *admin.Refusal
	var tooLarge *http.MaxBytesError
	if !errors.As(err, &known) && errors.As(err, &tooLarge) {
		return &admin.Refusal{Kind: admin.KindTooLarge, Code: "too_large", Args: admin.Args("limit", tooLarge.Limit),
			Detail: fmt.Sprintf("That is too large: at most %d octets (%d MiB) are taken.", tooLarge.Limit, tooLarge.Limit>>20), Cause: err}
	}
	return admin.AsRefusal(err)
}

// Status is how HTTP says it.
func Status(r *admin.Refusal) int {
	switch r.Kind {
	case admin.KindUnavailable:
		return http.StatusServiceUnavailable
	case admin.KindMalformed:
		return http.StatusBadRequest
	case admin.KindUnsupported:
		return http.StatusUnsupportedMediaType
	case admin.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case admin.KindUnauthorized:
		return http.StatusUnauthorized
	case admin.KindForbidden:
		return http.StatusForbidden
	case admin.KindNotFound:
		return http.StatusNotFound
	case admin.KindConflict:
		return http.StatusConflict
	case admin.KindInvalid:
		return http.StatusUnprocessableEntity
	case admin.KindMethod:
		return http.StatusMethodNotAllowed
	case admin.KindBusy:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}
