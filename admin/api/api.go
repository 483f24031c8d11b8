package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"

	"postferry/admin/access"
	"postferry/admin/request"
)

// problemDetails is a refusal as RFC 9457 wants it.
type problemDetails struct {
	Type     string           `json:"type"`
	Title    string           `json:"title"`
	Status   int              `json:"status"`
	Detail   string           `json:"detail"`
	Code     string           `json:"code"`
	Args     map[string]any   `json:"args,omitempty"`
	Mistakes []access.Mistake `json:"mistakes,omitempty"`
}

// Refuse answers with an error, and logs what the client is not told.
func (s *API) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	ref := request.RefusalOf(err)
	status := request.Status(ref)
	if ref.Failed() && r.Context().Err() == nil {
		s.log.Error().Err(ref.Cause).Str("path", r.URL.Path).Msg("a request to the import page failed")
	}
	if ref.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(ref.Retry.Seconds())))
	}
	if ref.Kind == access.KindUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="postferry"`)
	}
	request.WriteJSONAs(w, "application/problem+json", status, problemDetails{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: ref.Detail, Code: ref.Code, Args: ref.Args, Mistakes: ref.Mistakes,
	})
}

// readJSON reads a request's JSON object into v. What it says of mistakes
// never quotes the object, which may hold passwords.
func readJSON(r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &access.Refusal{Kind: access.KindUnsupported, Code: "not_json", Detail: "Send application/json."}
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
	return malformed(err)
}

// attributeName is what may be a name of ours: anything else could be a secret in the wrong place.
var attributeName = regexp.MustCompile(`^json: unknown field "([a-z][a-zA-Z0-9_]{0,39})"$`)

// malformed says what is wrong with an object.
func malformed(err error) error {
	refusal := &access.Refusal{Kind: access.KindMalformed, Code: "malformed", Detail: "The JSON is malformed, or an attribute is unknown."}
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		refusal.Detail = fmt.Sprintf("The JSON's attribute %q has the wrong type.", wrongType.Field)
	}
	if unknown := attributeName.FindStringSubmatch(err.Error()); unknown != nil {
		refusal.Code, refusal.Args = "unknown_attribute", access.Args("attribute", unknown[1])
		refusal.Detail = fmt.Sprintf("The JSON's attribute %q is unknown.", unknown[1])
	}
	return refusal
}
