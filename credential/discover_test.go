package credential

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"postferry/config"
)

// TestPlacesOfStrangers: a provider elsewhere is not followed to what is on this machine, nor anybody to an address without TLS.
func TestPlacesOfStrangers(t *testing.T) {
	t.Parallel()
	const good = "https://id.example/token"
	for name, tt := range map[string]struct{ token, place, want string }{
		"right":               {good, "https://id.example/x", "https://id.example/x"},
		"on this machine":     {good, "http://127.0.0.1:8080/x", ""},
		"on this machine too": {good, "HTTP://localhost/x", ""},
		"without TLS":         {good, "http://id.example/x", ""},
		"no address of a web": {good, "javascript:alert(1)", ""},
		"tokens here":         {"http://[::1]:8080/token", "https://id.example/x", "no tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]string{"token_endpoint": tt.token, "authorization_endpoint": tt.place,
					"device_authorization_endpoint": tt.place, "revocation_endpoint": tt.place})
			}))
			defer provider.Close()
			server := config.Server{Host: "imap.example", SignIn: &config.SignIn{Method: config.Consent, Domain: domain, Side: "old", Issuer: provider.URL}}
			got, err := New(Options{Client: provider.Client()}).Places(t.Context(), server)
			if tt.want == "no tokens" {
				if err == nil {
					t.Errorf("%+v", got)
				}
				return
			}
			if want := (Places{Token: good, Authorization: tt.want, Device: tt.want, Revocation: tt.want}); err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
}
