package rows

import (
	"testing"

	"postferry/store"
	"postferry/store/seal"
)

// TestIsOfDomain: of an account in another domain nothing more is read, but what is damaged is, so that it shows.
func TestIsOfDomain(t *testing.T) {
	sealer, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	row := EncodeAccount(&store.Account{ID: 7, Domain: "example.com", Login: "anna@example.com", State: store.Active}, sealer)
	for domain, want := range map[string]bool{"example.com": true, "example.co": false, "example.comm": false, "Example.com": false} {
		if IsOfDomain(row, domain) != want {
			t.Errorf("%s: %v", domain, !want)
		}
	}
	for _, damaged := range [][]byte{nil, {0xff}, {5, 'e'}} {
		if !IsOfDomain(damaged, "example.com") {
			t.Errorf("%q is passed over", damaged)
		}
	}
	if a, err := DecodeAccount(7, row, nil); err != nil || a.Domain != "example.com" || a.State != store.Active {
		t.Errorf("%+v, %v", a, err)
	}
}
