package browser

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAxeIsWhatWasMeant: of what a registry gives for axe-core nothing is kept, unless it has the digest that scripts/axe.sh names.
func TestAxeIsWhatWasMeant(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join("..", "..", "..", "scripts", "axe.sh"))
	if err != nil {
		t.Fatal(err)
	}
	given := axePackage(t)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(given) }))
	defer registry.Close()
	sum := sha512.Sum512(given)
	pinned := regexp.MustCompile(`(?m)^integrity=.*$`).ReplaceAll(script, []byte("integrity=sha512-"+base64.StdEncoding.EncodeToString(sum[:])))
	for name, x := range map[string]struct {
		script []byte
		kept   bool
	}{"another": {script, false}, "the one": {pinned, true}} {
		dir := t.TempDir()
		at := filepath.Join(dir, "scripts", "axe.sh")
		if err := os.Mkdir(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, x.script, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "bash", at)
		cmd.Env = append(os.Environ(), "npm_config_registry="+registry.URL, "no_proxy=127.0.0.1")
		out, err := cmd.CombinedOutput()
		_, missing := os.Stat(filepath.Join(dir, ".cache", "axe", "axe.min.js"))
		if (err == nil) != x.kept || (missing == nil) != x.kept || strings.Contains(string(out), "its SHA-512 is not") == x.kept {
			t.Errorf("%s: %v, kept: %v\n%s", name, err, missing == nil, out)
		}
	}
}

// axePackage is a package that has what is taken out of axe-core's.
func axePackage(t *testing.T) []byte {
	t.Helper()
	const text = "// not axe"
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	err := w.WriteHeader(&tar.Header{Name: "package/axe.min.js", Mode: 0o600, Size: int64(len(text))})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
