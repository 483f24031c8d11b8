package bolt

import (
	"testing"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// putSignIns gives a state one way to sign in, one consent and one webhook.
func putSignIns(t *testing.T, b *Store) (store.SignIn, store.Consent) {
	t.Helper()
	s := store.SignIn{Domain: "a.example", Side: store.OldSide, Method: store.SignInMicrosoft, Secret: "hush"}
	c := store.Consent{Mailbox: store.Mailbox{Domain: "a.example", Side: store.OldSide, Login: "anna"}, Issuer: "i", ClientID: "c", Refresh: "r3fresh"}
	for _, err := range []error{
		b.PutDomain(t.Context(), store.Domain{Name: "a.example", Old: "imaps://old", New: "imaps://new", Webhooks: []store.Webhook{{ID: "1", URL: "https://hook/?hush", Key: "k3y"}}}),
		b.PutSignIn(t.Context(), s), b.PutConsent(t.Context(), c),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, c
}

// wantSignIns wants all secrets to be what they were, those of a webhook among them.
func wantSignIns(t *testing.T, b *Store) {
	t.Helper()
	all, err := b.SignIns(t.Context())
	if err != nil || len(all) != 1 || all[0].Secret.Reveal() != "hush" {
		t.Errorf("ways to sign in: %v, %v", all, err)
	}
	domains, err := b.Domains(t.Context())
	if err != nil || len(domains) != 1 || len(domains[0].Webhooks) != 1 || domains[0].Webhooks[0].URL.Reveal() != "https://hook/?hush" || domains[0].Webhooks[0].Key.Reveal() != "k3y" {
		t.Errorf("domains: %v, %v", domains, err)
	}
	c, err := b.Consent(t.Context(), store.Mailbox{Domain: "a.example", Side: store.OldSide, Login: "anna"})
	if err != nil || c.Refresh.Reveal() != "r3fresh" {
		t.Errorf("consent: %v, %v", c, err)
	}
}

// A change of the key seals them with the next one.
func TestRotateKeySignIns(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	putSignIns(t, b)
	if _, err := b.RotateKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSignIns(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir)
	defer b.Close()
	wantSignIns(t, b)
}

// What was sealed for one place opens in no other, whoever can write the database.
func TestSignInsAreBound(t *testing.T) {
	b := open(t, t.TempDir())
	defer b.Close()
	s, c := putSignIns(t, b)
	err := b.db.Update(func(tx *bbolt.Tx) error {
		consents, signIns := root(tx, bucketConsents), root(tx, bucketSignIns)
		row := consents.Get(rows.ConsentKey(c.Mailbox))
		for _, m := range []store.Mailbox{{Domain: "a.example", Side: store.OldSide, Login: "bert"}, {Domain: "b.example", Side: store.OldSide, Login: "anna"}} {
			if err := consents.Put(rows.ConsentKey(m), row); err != nil {
				return err
			}
		}
		return signIns.Put(rows.SignInKey(s.Domain, store.NewSide), signIns.Get(rows.SignInKey(s.Domain, s.Side)))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []store.Mailbox{{Domain: "a.example", Side: store.OldSide, Login: "bert"}, {Domain: "b.example", Side: store.OldSide, Login: "anna"}} {
		if got, err := b.Consent(t.Context(), m); err == nil {
			t.Errorf("anna's consent opens for %v: %v", m, got)
		}
	}
	if got, err := b.SignIns(t.Context()); err == nil {
		t.Errorf("the old server's secret opens for the new one: %v", got)
	}
}
