package upstream

import (
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// classOfCode are the response codes (RFC 5530 and others) that say by
// themselves what helps.
var classOfCode = map[imap.ResponseCode]Class{
	imap.ResponseCodeAuthenticationFailed: Fix,
	imap.ResponseCodeAuthorizationFailed:  Fix,
	imap.ResponseCodeExpired:              Fix,
	imap.ResponseCodePrivacyRequired:      Fix,
	imap.ResponseCodeOverQuota:            Fix,
	imap.ResponseCodeUnavailable:          Later,
	imap.ResponseCodeInUse:                Later,
	imap.ResponseCodeServerBug:            Later,
	imap.ResponseCodeLimit:                Later,
	"THROTTLED":                           Later,
}

// passing are words by which servers without response codes say that a
// refusal passes; throttled are those that mean it for every command.
var (
	passing = []string{"temporar", "unavailable", "internal", "too many", "try again", "later", "timeout",
		"timed out", "busy", "not connected", "maximum number of connections", "overload"}
	throttled = []string{"suggested backoff", "throttl", "rate limit", "bandwidth", "too many simultaneous", "too many connections"}
)

// classify says what helps against a NO, BAD or BYE.
func classify(op string, st *status) Class {
	text := strings.ToLower(st.text)
	if containsAny(text, throttled) {
		return Later
	}
	if class, ok := classOfCode[imap.ResponseCode(st.code)]; ok {
		return class
	}
	switch {
	case st.kind == "BYE":
		return Later
	case op == opLogin && containsAny(text, passing):
		return Later
	case op == opLogin:
		return Fix
	case op == verbAppend && strings.Contains(text, "quota"):
		return Fix
	}
	return Refused
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// backoffMark is how Exchange says when to come back.
const backoffMark = "suggested backoff time:"

// maxBackoff bounds what a server's hint may ask for.
const maxBackoff = 24 * time.Hour

// backoffHint reads "Suggested Backoff Time: N milliseconds".
func backoffHint(text string) time.Duration {
	_, rest, found := strings.Cut(strings.ToLower(text), backoffMark)
	if !found {
		return 0
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimRight(fields[0], ".,;"), 10, 32)
	if err != nil {
		return 0
	}
	unit := time.Millisecond
	if len(fields) > 1 && strings.HasPrefix(fields[1], "second") {
		unit = time.Second
	}
	return min(time.Duration(n)*unit, maxBackoff)
}
