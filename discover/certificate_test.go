package discover

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"
)

// ready greets so that nothing more needs to be asked.
const ready = "* OK [CAPABILITY IMAP4rev1] ready\r\n"

// selfSigned is a certificate that nobody issued.
func selfSigned(t testing.TB, host string, from, to time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// What is wrong is said exactly, and all of it; the server is found all the same.
func TestCertificatesThatNobodyIssued(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		host     string
		from, to time.Duration
		want     string
	}{
		{"imap.example.com", -day, day, codeSelfSigned},
		{"imap.example.com", -2 * day, -day, codeExpired + " " + codeSelfSigned},
		{"imap.example.com", day, 2 * day, codeNotYet + " " + codeSelfSigned},
		{"localhost.localdomain", -2 * day, -day, codeExpired + " " + codeOtherName + " " + codeSelfSigned},
	} {
		w := newWorld(t, "imap.example.com. 300 IN A 10.0.0.1")
		cert := selfSigned(t, c.host, c.from, c.to)
		w.says("10.0.0.1:993", ready, &cert)
		r := w.find("example.com")
		if r.Found == nil || r.Found.Fingerprint == "" || !strings.Contains(codes(r.Why), codeWhyPin) {
			t.Fatalf("%s: found %+v because %s", c.want, r.Found, codes(r.Why))
		}
		if got := codes(r.Attempts[r.Found.Attempt-1].Certificate.Problems); got != c.want {
			t.Errorf("problems: %s, want %s", got, c.want)
		}
		if !strings.Contains(r.Why[2].Text, r.Found.Fingerprint) {
			t.Errorf("the fingerprint is not told: %s", r.Why[2].Text)
		}
	}
}
