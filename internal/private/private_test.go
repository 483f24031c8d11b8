package private

import (
	"path/filepath"
	"testing"
)

func TestForeign(t *testing.T) {
	for _, test := range []struct {
		owner, me uint32
		want      bool
	}{{1000, 1000, false}, {0, 1000, false}, {1001, 1000, true}, {1000, 0, false}, {0, 0, false}} {
		if got := foreign(test.owner, test.me); got != test.want {
			t.Errorf("of %d for %d: %t", test.owner, test.me, got)
		}
	}
}

func TestCheckFileMissing(t *testing.T) {
	if err := CheckFile(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}
