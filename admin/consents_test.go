package admin

import "testing"

// TestReturnAddress: browsers come back to the address that is said to be the page's, or else to the one they came by.
func TestReturnAddress(t *testing.T) {
	for _, tt := range [][3]string{
		{"", "http://127.0.0.1:8080", "http://127.0.0.1:8080/consent/back"}, {"", "https://move.example", "https://move.example/consent/back"},
		{"https://move.example/", "http://127.0.0.1:8080", "https://move.example/consent/back"},
	} {
		if got := (&Consents{public: tt[0]}).ReturnAddress(tt[1]); got != tt[2] {
			t.Errorf("%q, %q: %s", tt[0], tt[1], got)
		}
	}
}
