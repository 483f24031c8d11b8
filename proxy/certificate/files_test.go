package certificate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
)

func quiet() zerolog.Logger { return zerolog.Nop() }

// makePair writes a fresh pair as the files of cfg.
func makePair(t *testing.T, cfg *config.Config, modified time.Time) {
	t.Helper()
	if err := makeSelfSigned(cfg.Proxy.Cert, cfg.Proxy.Key, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{cfg.Proxy.Cert, cfg.Proxy.Key} {
		if err := os.Chtimes(f, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
}

func certConfig(t *testing.T) *config.Config {
	dir := t.TempDir()
	return &config.Config{Proxy: config.Proxy{Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}}
}

func current(t *testing.T, c *files) string {
	t.Helper()
	pair, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(pair.Certificate[0])
}

func TestCertificateFollowsItsFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := certConfig(t)
		start := time.Now().Add(-time.Hour)
		makePair(t, cfg, start)
		c, err := newFiles(cfg, quiet())
		if err != nil {
			t.Fatal(err)
		}
		first := current(t, c)
		makePair(t, cfg, start.Add(time.Second))
		if current(t, c) != first {
			t.Error("files looked at before their time")
		}
		time.Sleep(certificateCheck)
		second := current(t, c)
		if second == first {
			t.Error("changed files not loaded")
		}
		if err := os.WriteFile(cfg.Proxy.Cert, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(certificateCheck)
		if current(t, c) != second {
			t.Error("a broken certificate replaced a good one")
		}
		c.reload()
		if current(t, c) != second {
			t.Error("a broken certificate replaced a good one on reload")
		}
	})
}

func TestReloadLoadsUnchangedTimes(t *testing.T) {
	cfg := certConfig(t)
	start := time.Now()
	makePair(t, cfg, start)
	c, err := newFiles(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	first := current(t, c)
	makePair(t, cfg, start)
	c.reload()
	if current(t, c) == first {
		t.Error("not loaded")
	}
}

func TestSelfSignedCertificateIsKept(t *testing.T) {
	cfg := &config.Config{State: t.TempDir()}
	var log strings.Builder
	c, err := newFiles(cfg, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "self-signed") {
		t.Errorf("no warning in %q", &log)
	}
	again, err := newFiles(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if current(t, c) != current(t, again) {
		t.Error("another certificate at the next start")
	}
	for _, name := range []string{"proxy-cert.pem", "proxy-key.pem"} {
		info, err := os.Stat(filepath.Join(cfg.State, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	late := time.Now().Add(selfSignedLife)
	if _, _, err := selfSigned(cfg.State, late, quiet()); err != nil {
		t.Fatal(err)
	}
	third, err := newFiles(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if current(t, c) == current(t, third) {
		t.Error("an expired certificate is kept")
	}
}
