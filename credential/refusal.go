package credential

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"postferry/config"
	"postferry/store"
)

// aadCode is Microsoft's own number of an error.
var aadCode = regexp.MustCompile(`AADSTS(\d+)`)

// aadKinds are what those numbers mean for us (learn.microsoft.com, "Microsoft Entra authentication
// and authorization error codes").
func aadKinds(number string) (store.ProblemKind, bool) {
	kind, ok := map[string]store.ProblemKind{
		"90002": store.TenantUnknown, "900023": store.TenantUnknown, "900144": store.TenantUnknown, "900382": store.TenantUnknown,
		"700016": store.ApplicationRefused, "7000215": store.ApplicationRefused, "7000222": store.ApplicationRefused,
		"700027": store.ApplicationRefused, "7000112": store.ApplicationRefused, "700021": store.ApplicationRefused,
		"700023": store.ApplicationRefused, "7000218": store.ApplicationRefused, "7000229": store.ApplicationRefused, "70001": store.ApplicationRefused,
		"700024": store.ClockWrong,
		"65001":  store.PermissionMissing, "500011": store.PermissionMissing, "501051": store.PermissionMissing, "1002012": store.PermissionMissing, "70011": store.PermissionMissing,
		"50173": store.ConsentRevoked, "700082": store.ConsentRevoked, "70008": store.ConsentRevoked, "70000": store.ConsentRevoked, "50076": store.ConsentRevoked,
		"50078": store.ConsentRevoked, "50079": store.ConsentRevoked, "53003": store.ConsentRevoked, "65004": store.ConsentRevoked,
		"50057": store.MailboxUnknown, "50034": store.MailboxUnknown,
	}[number]
	return kind, ok
}

// perMailbox are the kinds that a provider tells of one mailbox only.
func perMailbox(kind store.ProblemKind) bool {
	switch kind {
	case store.ConsentRevoked, store.ConsentLost, store.ConsentMissing, store.MailboxUnknown:
		return true
	}
	return false
}

// refusedBy says what a provider's answer means.
func (t *tenant) refusedBy(host string, err error) *Error {
	f := t.fault(store.TokenUnavailable, host, err)
	refusal, answered := errors.AsType[*oauth2.RetrieveError](err)
	if answered {
		f.Err = &providerError{refusal}
		f.Kind = t.kindOf(refusal)
	}
	f.Tenant = !perMailbox(f.Kind)
	f.Lasting = !f.Tenant || f.Kind != store.TokenUnavailable
	return f
}

// kindOf tells refusals apart.
func (t *tenant) kindOf(r *oauth2.RetrieveError) store.ProblemKind {
	status := 0
	if r.Response != nil {
		status = r.Response.StatusCode
	}
	if status == http.StatusTooManyRequests || status >= 500 || r.ErrorCode == "temporarily_unavailable" || r.ErrorCode == "server_error" {
		return store.TokenUnavailable
	}
	if m := aadCode.FindStringSubmatch(r.ErrorDescription); m != nil {
		if kind, ok := aadKinds(m[1]); ok {
			return t.consentKind(kind)
		}
	}
	if t.signIn.Method == config.Google {
		return googleKind(r)
	}
	switch r.ErrorCode {
	case "invalid_client", "unauthorized_client":
		return store.ApplicationRefused
	case "invalid_grant":
		if t.signIn.Method == config.Consent {
			return store.ConsentRevoked
		}
		return store.ApplicationRefused
	case "invalid_scope", "access_denied", "invalid_resource":
		return store.PermissionMissing
	}
	return store.TokenUnavailable
}

// consentKind: that nobody has consented means another thing where people do for themselves.
func (t *tenant) consentKind(kind store.ProblemKind) store.ProblemKind {
	if t.signIn.Method == config.Consent && kind == store.PermissionMissing {
		return store.ConsentRevoked
	}
	return kind
}

// googleKind is for a service account.
func googleKind(r *oauth2.RetrieveError) store.ProblemKind {
	text := strings.ToLower(r.ErrorDescription)
	switch {
	case r.ErrorCode == "unauthorized_client", r.ErrorCode == "access_denied", r.ErrorCode == "invalid_scope":
		return store.DelegationMissing
	case strings.Contains(text, "timeframe"), strings.Contains(text, "iat and exp"):
		return store.ClockWrong
	case strings.Contains(text, "invalid email or user id"), strings.Contains(text, "suspended"), strings.Contains(text, "account has been"):
		return store.MailboxUnknown
	case r.ErrorCode == "invalid_grant", r.ErrorCode == "invalid_client":
		return store.ApplicationRefused
	}
	return store.TokenUnavailable
}

// providerError is a provider's refusal in its own words, without the rest of its answer, which may
// have what is secret.
type providerError struct{ refusal *oauth2.RetrieveError }

func (e *providerError) Error() string {
	r := e.refusal
	var b strings.Builder
	if r.Response != nil {
		b.WriteString("HTTP " + strconv.Itoa(r.Response.StatusCode))
	}
	for _, text := range []string{r.ErrorCode, r.ErrorDescription} {
		if text = printable(text); text != "" {
			b.WriteString(": " + text)
		}
	}
	return b.String()
}

// Unwrap returns the refusal.
func (e *providerError) Unwrap() error { return e.refusal }

// maxWords bounds what is kept of foreign words. Octets.
const maxWords = 300

// printable bounds foreign words and takes out of them what is no text.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), maxWords)], "?"))
	return strings.TrimSpace(text)
}

// longestHint bounds what a provider's hint may ask for.
const longestHint = time.Hour

// hint is a provider's word on when to come back (Retry-After, RFC 9110 section 10.2.3); 0 for none.
func hint(err error) time.Duration {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refusal.Response == nil {
		return 0
	}
	n, err := strconv.ParseUint(refusal.Response.Header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, longestHint)
}
