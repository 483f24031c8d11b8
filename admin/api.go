package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"postferry/store"
)

// problemDetails is a refusal as RFC 9457 wants it.
type problemDetails struct {
	Type     string         `json:"type"`
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Code     string         `json:"code"`
	Args     map[string]any `json:"args,omitempty"`
	Mistakes []mistake      `json:"mistakes,omitempty"`
}

// refuse answers with an error, and logs what the client is not told.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	ref := asRefusal(err)
	if ref.status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.log.Error().Err(ref.cause).Str("path", r.URL.Path).Msg("a request to the import page failed")
	}
	if ref.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(ref.retry.Seconds())))
	}
	if ref.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="postferry"`)
	}
	writeJSONAs(w, "application/problem+json", ref.status, problemDetails{
		Type: "about:blank", Title: http.StatusText(ref.status), Status: ref.status,
		Detail: ref.Detail, Code: ref.Code, Args: ref.Args, Mistakes: ref.Mistakes,
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	writeJSONAs(w, "application/json", status, v)
	return nil
}

func writeJSONAs(w http.ResponseWriter, kind string, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that has gone ends the request by itself
}

// readJSON reads a request's JSON object into v. What it says of mistakes
// never quotes the object, which may hold passwords.
func readJSON(r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &refusal{status: http.StatusUnsupportedMediaType, Code: "not_json", Detail: "Send application/json."}
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err = dec.Decode(v)
	if err == nil {
		if _, err = dec.Token(); err == io.EOF {
			return nil
		}
		err = errors.Join(err, errors.New("something follows the object"))
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	detail := "The JSON is malformed, or an attribute is unknown."
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		detail = fmt.Sprintf("The JSON's attribute %q has the wrong type.", wrongType.Field)
	}
	return &refusal{status: http.StatusBadRequest, Code: "malformed", Detail: detail}
}

// accountID reads the account of a path.
func accountID(r *http.Request) (store.AccountID, error) {
	n, err := strconv.ParseUint(r.PathValue("account"), 10, 64)
	if err != nil {
		return 0, errNotFound("account")
	}
	return store.AccountID(n), nil
}

// queryNumber reads a number of the query; it is fallback if there is none.
func queryNumber(r *http.Request, name string, fallback, lowest, highest uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < lowest || n > highest {
		m := wrongField(name, "number_malformed", "This should be a number from %d to %d.", lowest, highest)
		m.Args = args("lowest", lowest, "highest", highest)
		return 0, errInvalid(m)
	}
	return n, nil
}

// pageOf reads which page of a list is wanted.
func pageOf(r *http.Request) (page, perPage int, err error) {
	p, err := queryNumber(r, "page", 1, 1, 1_000_000)
	if err != nil {
		return 0, 0, err
	}
	n, err := queryNumber(r, "per_page", defaultPerPage, 1, maxPerPage)
	return int(p), int(n), err
}
