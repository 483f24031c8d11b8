package bolt_test

import (
	"testing"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/store/bolt"
	"postferry/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB, dir string) store.Store {
		t.Helper()
		b, err := bolt.Open(dir, bolt.Options{Command: "test", Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}
