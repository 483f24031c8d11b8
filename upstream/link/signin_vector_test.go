package link

import (
	"testing"

	"github.com/xdg-go/scram"
)

// TestSCRAMVector is the example of RFC 7677 section 3.
func TestSCRAMVector(t *testing.T) {
	client, err := scram.SHA256.NewClient("user", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	c := &scramClient{scramSHA256, client.WithNonceGenerator(func() string { return "rOprNGfwEbeRWgbNEkqO" }).NewConversation()}
	_, first, err := c.Start()
	if want := "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"; err != nil || string(first) != want {
		t.Fatalf("%q, %v", first, err)
	}
	final, err := c.Next([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	if want := "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="; err != nil || string(final) != want {
		t.Fatalf("%q, %v", final, err)
	}
	if _, err := c.Next([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); err != nil || !Proved(c) {
		t.Errorf("%v", err)
	}
}
