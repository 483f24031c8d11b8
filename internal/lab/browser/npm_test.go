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

// TestPackagesAreWhatWasMeant: of what a registry gives for npm's packages nothing is kept, unless each has the digest
// that scripts/npm/package-lock.json names; a folder that is there already stays as it is then.
func TestPackagesAreWhatWasMeant(t *testing.T) {
	t.Parallel()
	scripts := filepath.Join("..", "..", "..", "scripts")
	lock, err := os.ReadFile(filepath.Join(scripts, "npm", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	given := npmPackage(t)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(given) }))
	defer registry.Close()
	sum := sha512.Sum512(given)
	digests := regexp.MustCompile(`sha512-[^"]+`)
	pinned := digests.ReplaceAll(lock, []byte("sha512-"+base64.StdEncoding.EncodeToString(sum[:])))
	oneOff := bytes.Replace(pinned, digests.Find(pinned), digests.Find(lock), 1)
	for name, x := range map[string]struct {
		lock []byte
		kept string
	}{"others": {lock, "// as before"}, "one is another": {oneOff, "// as before"}, "those": {pinned, "// from a registry"}} {
		dir := t.TempDir()
		at := filepath.Join(dir, ".cache", "npm", "node_modules", "axe-core", "axe.min.js")
		err := os.CopyFS(filepath.Join(dir, "scripts"), os.DirFS(scripts))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "scripts", "npm", "package-lock.json"), x.lock, 0o600)
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(at), 0o700)
		}
		if err == nil {
			err = os.WriteFile(at, []byte("// as before"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(dir, "scripts", "npm.sh"))
		cmd.Env = append(os.Environ(), "npm_config_registry="+registry.URL, "no_proxy=127.0.0.1")
		out, err := cmd.CombinedOutput()
		kept, _ := os.ReadFile(at)
		wrong := x.kept == "// as before"
		if (err != nil) != wrong || string(kept) != x.kept || strings.Contains(string(out), "the SHA-512 of a package is another") != wrong {
			t.Errorf("%s: %v, kept: %q\n%s", name, err, kept, out)
		}
	}
}

// npmPackage is a package that has what is used of axe-core's.
func npmPackage(t *testing.T) []byte {
	t.Helper()
	const text = "// from a registry"
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
