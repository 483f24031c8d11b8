package web

import "testing"

// TestTakenByProviders: what providers take as an address to come back to.
func TestTakenByProviders(t *testing.T) {
	for address, want := range map[string]bool{
		"https://move.example/consent/back": true, "http://localhost:8080/consent/back": true, "http://127.0.0.1:8080/consent/back": true, "http://[::1]:8080/consent/back": true,
		"http://move.example/consent/back": false, "http://192.0.2.1/consent/back": false, "http://localhost.example/consent/back": false, "://": false,
	} {
		if takenByProviders(address) != want {
			t.Errorf("%s: want %t", address, want)
		}
	}
}
