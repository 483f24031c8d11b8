package lab

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Unpack puts the files of a tar archive, which only their owner may read, into a folder, and returns their names.
func Unpack(tb testing.TB, archive io.Reader, dir string) (names []string) {
	tb.Helper()
	files := tar.NewReader(archive)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			tb.Fatal(err)
		}
		data, err := io.ReadAll(files)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, h.Name), data, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
		if h.Mode != 0o600 {
			tb.Errorf("%s has mode %04o", h.Name, h.Mode)
		}
		names = append(names, h.Name)
	}
}
