package credential

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"postferry/config"
	"postferry/internal/secret"
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
		"500014": store.PermissionMissing, "90033": store.TokenUnavailable, "90024": store.TokenUnavailable, "50087": store.TokenUnavailable,
		"50173": store.ConsentRevoked, "700082": store.ConsentRevoked, "70008": store.ConsentRevoked, "70000": store.ConsentRevoked, "50076": store.ConsentRevoked,
		"50078": store.ConsentRevoked, "50079": store.ConsentRevoked, "53003": store.ConsentRevoked, "65004": store.ConsentRevoked,
		"50072": store.ConsentRevoked, "50074": store.ConsentRevoked, "50132": store.ConsentRevoked, "50133": store.ConsentRevoked, "50055": store.ConsentRevoked,
		"50144": store.ConsentRevoked, "50158": store.ConsentRevoked, "53000": store.ConsentRevoked, "53001": store.ConsentRevoked, "53002": store.ConsentRevoked,
		"53004": store.ConsentRevoked, "530003": store.ConsentRevoked, "70043": store.ConsentRevoked, "700084": store.ConsentRevoked, "50105": store.ConsentRevoked,
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

// refusedBy says what a provider's answer means to what it was sent.
func (t *tenant) refusedBy(host string, err error, sent ...store.Secret) *Error {
	f := t.fault(store.TokenUnavailable, host, err)
	refusal, answered := errors.AsType[*oauth2.RetrieveError](err)
	if answered {
		f.Err = newProviderError(refusal, sent)
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
	case "invalid_client", "unauthorized_client", "deleted_client", "disabled_client":
		return store.ApplicationRefused
	case "invalid_grant", "interaction_required", "login_required", "consent_required", "account_selection_required": // the last four: OpenID Connect Core 1.0 section 3.1.2.6
		if t.signIn.Method == config.Consent {
			return store.ConsentRevoked
		}
		return store.ApplicationRefused
	case "invalid_scope", "access_denied", "invalid_resource", "admin_policy_enforced", "org_internal":
		return store.PermissionMissing
	}
	return store.TokenUnavailable
}

// consentKind: that nobody has consented means another thing where people do for themselves; and where an application signs
// in by itself, it is that which is not let in.
func (t *tenant) consentKind(kind store.ProblemKind) store.ProblemKind {
	switch {
	case t.signIn.Method == config.Consent && kind == store.PermissionMissing:
		return store.ConsentRevoked
	case t.signIn.Method == config.Microsoft && perMailbox(kind):
		return store.ApplicationRefused
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
	case slices.Contains([]string{"invalid_grant", "invalid_client", "deleted_client", "disabled_client"}, r.ErrorCode):
		return store.ApplicationRefused
	}
	return store.TokenUnavailable
}

// providerError is a provider's refusal in its own words, without the rest of its answer, which may
// have what is secret.
type providerError struct {
	refusal *oauth2.RetrieveError
	words   string
}

// newProviderError leaves out of a refusal what the provider repeats of what it was sent.
func newProviderError(r *oauth2.RetrieveError, sent []store.Secret) *providerError {
	var b strings.Builder
	if r.Response != nil {
		b.WriteString("HTTP " + strconv.Itoa(r.Response.StatusCode))
	}
	for _, text := range []string{r.ErrorCode, r.ErrorDescription} {
		if text = printable(secret.Hide(text, sent...)); text != "" {
			b.WriteString(": " + text)
		}
	}
	return &providerError{r, b.String()}
}

func (e *providerError) Error() string { return e.words }

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
	text := refusal.Response.Header.Get("Retry-After")
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), longestHint)
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, longestHint)
}
