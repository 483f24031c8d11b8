package credential

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postferry/config"
	"postferry/store"
)

// TestOddAnswers: what providers answer, and what stands between us and them. Nothing of it may keep an account from going on
// for good that only a moment's trouble holds up, blame a mailbox for its tenant, or be told with what was sent.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	const page = "<html><title>Sign in to the network</title></html>"
	application, agreed, account := config.Microsoft, config.Consent, config.Google
	type life struct{ least, most time.Duration }
	for _, tt := range []struct {
		name    string
		method  config.SignInMethod
		status  int
		header  string // one
		body    string
		kind    store.ProblemKind // "" for a token
		mailbox bool              // it is about one mailbox
		lasts   life              // the token
		retry   life              // when it is tried again
	}{
		{name: "a page in place of a token", method: application, status: 200, header: "Content-Type: text/html", body: page, kind: store.TokenUnavailable},
		{name: "a page that refuses", method: application, status: 403, header: "Content-Type: text/html", body: page, kind: store.TokenUnavailable},
		{name: "401 without a word", method: application, status: 401, kind: store.TokenUnavailable},
		{name: "an error with 200", method: application, status: 200, body: `{"error":"invalid_client"}`, kind: store.ApplicationRefused},
		{name: "nothing", method: application, status: 200, kind: store.TokenUnavailable},
		{name: "null", method: application, status: 200, body: `null`, kind: store.TokenUnavailable},
		{name: "a list", method: application, status: 200, body: `[]`, kind: store.TokenUnavailable},
		{name: "only an id_token", method: agreed, status: 200, body: `{"id_token":"e30.e30.e30","token_type":"Bearer"}`, kind: store.TokenUnavailable},
		{name: "a token of two lines", method: application, status: 200, body: `{"access_token":"a\r\nb"}`, kind: store.TokenUnavailable},
		{name: "life as text", method: application, status: 200, body: `{"access_token":"x","expires_in":"3599"}`, lasts: life{50 * time.Minute, time.Hour}},
		{name: "no life", method: application, status: 200, body: `{"access_token":"x"}`, lasts: life{time.Minute, lifeUnknown}},
		{name: "life of nought", method: application, status: 200, body: `{"access_token":"x","expires_in":0}`, lasts: life{time.Minute, lifeUnknown}},
		{name: "life before now", method: application, status: 200, body: `{"access_token":"x","expires_in":-5}`, lasts: life{time.Minute, lifeUnknown}},
		{name: "life of ages", method: application, status: 200, body: `{"access_token":"x","expires_in":99999999999999}`, lasts: life{time.Hour, 100 * 365 * 24 * time.Hour}},
		{name: "life in words", method: application, status: 200, body: `{"access_token":"x","expires_in":"an hour"}`, lasts: life{time.Minute, lifeUnknown}},
		{name: "life that is no number", method: application, status: 200, body: `{"access_token":"x","expires_in":{"seconds":3599}}`, lasts: life{time.Minute, lifeUnknown}},
		{name: "life with a fraction", method: agreed, status: 200, body: `{"access_token":"x","expires_in":3599.87}`, lasts: life{50 * time.Minute, time.Hour}},
		{name: "life with a fraction, as text", method: application, status: 200, body: `{"access_token":"x","expires_in":"3599.0"}`, lasts: life{50 * time.Minute, time.Hour}},
		{name: "life without end", method: application, status: 200, body: `{"access_token":"x","expires_in":"Infinity"}`, lasts: life{time.Minute, lifeUnknown}},
		{name: "no refresh token in place of the one sent", method: agreed, status: 200, body: `{"access_token":"x","expires_in":3600}`, lasts: life{50 * time.Minute, time.Hour}},
		{name: "elsewhere", method: application, status: 307, header: "Location: https://login.example/", kind: store.TokenUnavailable},
		{name: "too often, in seconds", method: application, status: 429, header: "Retry-After: 600", kind: store.TokenUnavailable, retry: life{590 * time.Second, 760 * time.Second}},
		{name: "too often, as a date", method: application, status: 429, header: "Retry-After: " + time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat), kind: store.TokenUnavailable, retry: life{7 * time.Minute, 760 * time.Second}}, // it may be asked late
		{name: "too often, until yesterday", method: application, status: 429, header: "Retry-After: " + time.Now().Add(-24*time.Hour).UTC().Format(http.TimeFormat), kind: store.TokenUnavailable, retry: life{0, 5 * time.Second}},
		{name: "too often, by Google's words", method: account, status: 403, body: `{"error":"rate_limit_exceeded"}`, kind: store.TokenUnavailable},

		{name: "password changed", method: agreed, status: 400, body: `{"error":"invalid_grant","error_description":"AADSTS50173: The provided grant has expired due to it being revoked"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "a second factor", method: agreed, status: 400, body: `{"error":"interaction_required","error_description":"AADSTS50074: Strong Authentication is required."}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "how often to sign in", method: agreed, status: 400, body: `{"error":"invalid_grant","error_description":"AADSTS70043: The refresh token has expired or is invalid due to sign-in frequency checks"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "conditional access", method: agreed, status: 400, body: `{"error":"interaction_required","error_description":"AADSTS53000: Your device is required to be managed"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "not assigned to the application", method: agreed, status: 400, body: `{"error":"invalid_grant","error_description":"AADSTS50105: Your administrator has configured the application to block users"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "interaction, by another provider", method: agreed, status: 400, body: `{"error":"interaction_required"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "sign in again, by another provider", method: agreed, status: 400, body: `{"error":"login_required"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "consent, by another provider", method: agreed, status: 400, body: `{"error":"consent_required"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "Google wants a second sign-in", method: agreed, status: 400, body: `{"error":"invalid_grant","error_subtype":"invalid_rapt"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "Google's administrator", method: agreed, status: 400, body: `{"error":"admin_policy_enforced"}`, kind: store.PermissionMissing},
		{name: "conditional access for applications", method: application, status: 400, body: `{"error":"invalid_grant","error_description":"AADSTS53003: Access has been blocked by Conditional Access policies."}`, kind: store.ApplicationRefused},
		{name: "the application is switched off", method: application, status: 400, body: `{"error":"unauthorized_client","error_description":"AADSTS7000112: Application is disabled."}`, kind: store.ApplicationRefused},
		{name: "the secret has ended", method: application, status: 401, body: `{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired."}`, kind: store.ApplicationRefused},
		{name: "Exchange is switched off", method: application, status: 400, body: `{"error":"invalid_resource","error_description":"AADSTS500014: The service principal for resource is disabled."}`, kind: store.PermissionMissing},
		{name: "a moment's trouble, as a refusal", method: application, status: 400, body: `{"error":"invalid_grant","error_description":"AADSTS90033: A transient error has occurred. Please try again."}`, kind: store.TokenUnavailable},
		{name: "the client is gone", method: account, status: 401, body: `{"error":"deleted_client"}`, kind: store.ApplicationRefused},
		{name: "the client is switched off", method: account, status: 401, body: `{"error":"disabled_client"}`, kind: store.ApplicationRefused},
		{name: "it repeats what was sent", method: agreed, status: 400, body: `{"error":"invalid_grant","error_description":"no such token: SENT"}`, kind: store.ConsentRevoked, mailbox: true},
		{name: "it repeats it in its error", method: agreed, status: 400, body: `{"error":"SENT"}`, kind: store.TokenUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const refresh = "refresh-of-anna+/="
			w := newWorld(t)
			var asked []string
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "openid-configuration") {
					_, _ = rw.Write([]byte(`{"token_endpoint":"http://` + r.Host + `/token"}`))
					return
				}
				asked = append(asked, r.URL.Path)
				rw.Header().Set("Content-Type", "application/json")
				if name, value, ok := strings.Cut(tt.header, ": "); ok {
					rw.Header().Set(name, value)
				}
				rw.WriteHeader(tt.status)
				_, _ = rw.Write([]byte(strings.ReplaceAll(tt.body, "SENT", r.PostFormValue("refresh_token")+" "+r.PostFormValue("client_secret"))))
			}))
			defer server.Close()
			w.url = server.URL
			key, err := w.google.Accounts[0].KeyFile(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			w.account = string(key)
			place := w.signIn(tt.method, func(in *config.SignIn) {
				if tt.method == config.Consent {
					in.Secret = "hush-hush"
					w.consents.put(anna, refresh, in.Issuer, in.ClientID)
				}
			})
			_, err = w.SignIn(t.Context(), place, anna)
			w.wantSilence(t, err, refresh)
			if kindOf(err) != tt.kind || len(asked) != 1 {
				t.Fatalf("%v, after %v", err, asked)
			}
			if tt.kind == "" {
				src := w.tenant(place).source(anna)
				if lasts := time.Until(src.now.ends); lasts < tt.lasts.least || lasts > tt.lasts.most {
					t.Errorf("it lasts %v", lasts)
				}
				if now, err := w.consents.Consent(t.Context(), store.Mailbox{Domain: domain, Side: store.OldSide, Login: anna}); tt.method == agreed && (err != nil || now.Refresh != refresh) {
					t.Errorf("kept: %v, %v", now, err)
				}
				return
			}
			var p store.Problem
			e := err.(*Error)
			if e.Describe(&p); e.Tenant == tt.mailbox || (p.Advice == store.NeedsFix) != tt.mailbox {
				t.Errorf("of all: %v, advice %s", e.Tenant, p.Advice)
			}
			if tt.retry.most > 0 && (time.Until(p.Retry) < tt.retry.least || time.Until(p.Retry) > tt.retry.most) {
				t.Errorf("tried again in %v", time.Until(p.Retry))
			}
		})
	}
}
