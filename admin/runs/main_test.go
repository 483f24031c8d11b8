package runs

import (
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"postferry/store"
	"postferry/store/bolt"
)

func TestMain(m *testing.M) {
	unix.Umask(0o022) // a state that others may write is refused
	goleak.VerifyTestMain(m)
}

func openStore(t *testing.T) store.Store {
	t.Helper()
	st, err := bolt.Open(filepath.Join(t.TempDir(), "state"), bolt.Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}
