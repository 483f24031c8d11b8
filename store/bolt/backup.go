package bolt

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"postferry/store"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// Backup writes the state as it is at one moment, while it is in use, as a tar archive of
// the files that belong into a state directory: state.db and, if withKey, key. A key that
// comes from elsewhere is never in it.
func (b *Store) Backup(ctx context.Context, w io.Writer, withKey bool) (done store.BackedUp, err error) {
	b.backups.Add(1)
	defer b.backups.Add(-1)
	path := filepath.Join(b.dir, seal.KeyFile)
	if b.key.From != path {
		withKey, done.KeyFrom = false, b.key.From
	}
	out := &patientWriter{ctx: ctx, w: w}
	archive := tar.NewWriter(out)
	err = b.view(ctx, func(tx *bbolt.Tx) error {
		done.Octets = tx.Size()
		if err := archive.WriteHeader(entryOf(statedir.DatabaseFile, done.Octets)); err != nil {
			return err
		}
		_, err := tx.WriteTo(archive)
		return err
	})
	if err == nil && withKey {
		err = addFile(archive, seal.KeyFile, path)
		done.Key = err == nil
	}
	if err == nil {
		err = archive.Close()
	}
	if out.err != nil {
		err = out.err // bbolt tells no more than what it says
	}
	if err != nil {
		return done, fmt.Errorf("cannot write the backup: %w", err)
	}
	return done, nil
}

// entryOf heads a file in the archive. Only its owner may read it.
func entryOf(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: time.Now(), Format: tar.FormatGNU}
}

func addFile(archive *tar.Writer, name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(entryOf(name, int64(len(data)))); err != nil {
		return err
	}
	_, err = archive.Write(data)
	return err
}

// patientWriter writes until its context ends, and keeps the first error.
type patientWriter struct {
	ctx context.Context
	w   io.Writer
	err error
}

func (p *patientWriter) Write(b []byte) (n int, err error) {
	if p.err == nil {
		p.err = p.ctx.Err()
	}
	if p.err == nil {
		n, p.err = p.w.Write(b)
	}
	return n, p.err
}
