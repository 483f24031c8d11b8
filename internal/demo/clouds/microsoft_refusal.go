package clouds

import (
	"fmt"
	"net/http"
	"time"
)

// aadRefusal is what the sign-in service says no with.
type aadRefusal struct {
	number int // of its own, AADSTS...
	status int
	code   string // RFC 6749 section 5.2
	text   string
}

func aad(number, status int, code, text string) *aadRefusal {
	return &aadRefusal{number, status, code, text}
}

// description is its text as it is sent.
func (a *aadRefusal) description(now string) string {
	return fmt.Sprintf("AADSTS%d: %s Trace ID: 00000000-0000-0000-0000-000000000001 Correlation ID: 00000000-0000-0000-0000-000000000002 Timestamp: %s", a.number, a.text, now)
}

func (m *Microsoft) refuse(w http.ResponseWriter, a *aadRefusal) {
	now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	writeJSON(w, a.status, map[string]any{
		"error": a.code, "error_description": a.description(now), "error_codes": []int{a.number}, "timestamp": now,
		"trace_id": "00000000-0000-0000-0000-000000000001", "correlation_id": "00000000-0000-0000-0000-000000000002",
		"error_uri": fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", a.number),
	})
}

// lacks is a parameter that isn't there.
func lacks(name string) *aadRefusal {
	return aad(900144, http.StatusBadRequest, "invalid_request", "The request body must contain the following parameter: '"+name+"'.")
}
