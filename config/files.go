package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"time"
)

// checkPair looks at a certificate that is shown and its key.
func checkPair(b *block, certPath, keyPath string) {
	switch {
	case certPath != "" && keyPath == "" && b.fine("key"):
		b.mistake("cert", "a certificate without its key; expected key as well")
	case keyPath != "" && certPath == "" && b.fine("cert"):
		b.mistake("key", "a key without its certificate; expected cert as well")
	}
	cert := readPair(b, "cert", certPath)
	key := readPair(b, "key", keyPath)
	if key != nil {
		warnOpenKey(b, keyPath)
	}
	if cert != nil && key != nil {
		checkMatch(b, certPath, keyPath, cert, key)
	}
}

// readPair reads one file of the pair; nil if there is none or it cannot be read.
func readPair(b *block, key, path string) []byte {
	if path == "" {
		return nil
	}
	data, err := readPEM(path)
	if err != nil {
		b.mistake(key, "%q cannot be read: %s", path, plainError(err))
	}
	return data
}

// checkMatch reports a certificate and a key that don't belong together.
func checkMatch(b *block, certPath, keyPath string, cert, key []byte) {
	if !strings.Contains(string(cert), "-----BEGIN CERTIFICATE-----") {
		b.mistake("cert", "%q holds no certificate in PEM form", certPath)
		return
	}
	if !strings.Contains(string(key), "PRIVATE KEY-----") {
		b.mistake("key", "%q holds no private key in PEM form", keyPath)
		return
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		b.mistake("key", "%q and the certificate %q cannot be used together: %s",
			keyPath, certPath, strings.TrimPrefix(err.Error(), "tls: "))
		return
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		b.warn("cert", "%q expired on %s", certPath, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
}

// warnOpenKey warns of a key that everyone on the machine may read.
func warnOpenKey(b *block, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		b.warn("key", "%q can be read by every user of this machine; expected chmod 600", path)
	}
}

// checkCA reports a file that holds no authority's certificate.
func checkCA(b *block, key, path string) {
	data, err := readPEM(path)
	if err != nil {
		b.mistake(key, "%q cannot be read: %s", path, plainError(err))
	} else if !x509.NewCertPool().AppendCertsFromPEM(data) {
		b.mistake(key, "%q holds no certificate in PEM form", path)
	}
}

// readPEM reads a file of certificates or a key, which must be a regular file of at most 4 MiB.
func readPEM(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > 4<<20:
		return nil, errors.New("larger than 4 MiB")
	}
	return os.ReadFile(path)
}
