package credential

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxAnswer bounds how much of an answer is looked through, as the oauth2 library does. Octets.
const maxAnswer = 1 << 20

// wholeLives has providers' answers say in whole seconds how long a token lasts (RFC 6749 section 5.1). The oauth2 library refuses
// all of an answer that has a fraction or words there, and with it a refresh token that may be the only good one.
type wholeLives struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (w wholeLives) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil || r.Method != http.MethodPost {
		return resp, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	if whole := wholeLife(answer); !bytes.Equal(whole, answer) {
		answer, resp.ContentLength = whole, -1
	}
	resp.Body = readFirst{io.MultiReader(bytes.NewReader(answer), resp.Body), resp.Body}
	return resp, nil
}

// readFirst is a body of which the beginning has been read.
type readFirst struct {
	io.Reader
	io.Closer
}

// wholeLife is an answer whose expires_in is a whole number, 0 if nobody can tell what it is; answers without it stay as they are.
func wholeLife(answer []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(answer, &fields) != nil || fields["expires_in"] == nil {
		return answer
	}
	life := strings.Trim(string(fields["expires_in"]), `"`)
	if _, err := strconv.ParseInt(life, 10, 64); err == nil || life == "null" {
		return answer
	}
	seconds, err := strconv.ParseFloat(life, 64)
	if err != nil || !(seconds > 0 && seconds < 1<<31) {
		seconds = 0
	}
	fields["expires_in"] = strconv.AppendInt(nil, int64(seconds), 10)
	whole, err := json.Marshal(fields)
	if err != nil {
		return answer
	}
	return whole
}
