package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// assets are the page's style sheet, script and pictures. Their addresses bear
// a digest of what is in them, so that browsers may keep them for good and yet
// see a new version at once.
type assets struct {
	byPath map[string][]byte // path below /static/, with the digest
	byName map[string]string // file name -> address
}

func loadAssets() (*assets, error) {
	a := &assets{byPath: map[string][]byte{}, byName: map[string]string{}}
	err := fs.WalkDir(staticFiles, "static", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := staticFiles.ReadFile(file)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(file, "static/")
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		versioned := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byPath[versioned], a.byName[name] = content, "/static/"+versioned
		return nil
	})
	return a, err
}

// address is where a file of static is served.
func (a *assets) address(name string) (string, error) {
	if address, ok := a.byName[name]; ok {
		return address, nil
	}
	return "", fmt.Errorf("there is no static/%s", name)
}

// ServeHTTP serves what is below /static/.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, ok := a.byPath[strings.TrimPrefix(r.URL.Path, "/static/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(r.URL.Path)))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content)
}
