package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/internal/backend"
	"postferry/store"
	"postferry/store/bolt"
)

// aliasState is a configuration with two domains and a state with accounts of them.
func aliasState(t *testing.T) (config, state string) {
	t.Helper()
	dir := t.TempDir()
	state, config = filepath.Join(dir, "state"), filepath.Join(dir, "config.toml")
	text := "state = \"" + state + "\"\n"
	for _, name := range []string{"a.example", "b.example"} {
		text += "[[domain]]\nname = \"" + name + "\"\nold = \"imaps://old." + name + "\"\nnew = \"imaps://new." + name + "\"\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list := "anna@a.example pw\nberta@a.example pw\ncarla@b.example pw\n"
	if status, _, stderr := postferry(t, list, "import", "-c", config, "-"); status != 0 {
		t.Fatalf("import: %d %s", status, stderr)
	}
	return config, state
}

// TestAliasCommand: a person says whether two logins are one mailbox, with a daemon and without.
func TestAliasCommand(t *testing.T) {
	for _, remotely := range []bool{false, true} {
		config, state := aliasState(t)
		look := func() (anna, berta store.Account) {
			t.Helper()
			st, err := bolt.Open(state, bolt.Options{Command: "test"})
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			anna, err1 := st.Account(t.Context(), "anna@a.example")
			berta, err2 := st.Account(t.Context(), "berta@a.example")
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			return anna, berta
		}
		if remotely {
			st := openState(t, state)
			startControl(t, state, &backend.Local{Store: st, Log: zerolog.Nop()}, zerolog.Nop())
			look = func() (anna, berta store.Account) {
				anna, err1 := st.Account(t.Context(), "anna@a.example")
				berta, err2 := st.Account(t.Context(), "berta@a.example")
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				return anna, berta
			}
		}
		alias := func(want int, said string, args ...string) {
			t.Helper()
			args = append([]string{"alias", args[0], "-c", config}, args[1:]...)
			status, stdout, stderr := postferry(t, "", args...)
			if status != want || !strings.Contains(stdout+stderr, said) {
				t.Errorf("%q: status %d, want %d; it says %s%s", args, status, want, stdout, stderr)
			}
		}
		alias(0, "is an alias of anna@a.example", "same", "BERTA@a.example", "anna@a.example")
		anna, berta := look()
		if berta.Alias != anna.ID || berta.AliasProved || anna.Alias != 0 {
			t.Errorf("%+v, %+v", anna, berta)
		}
		alias(2, "is an alias of", "same", "anna@a.example", "berta@a.example")
		alias(2, "are one account", "same", "anna@a.example", "ANNA@a.example")
		alias(2, "of two domains", "same", "anna@a.example", "carla@b.example")
		alias(2, "no such account", "same", "anna@a.example", "nobody@a.example")
		alias(2, "no such account", "apart", "nobody@a.example")
		alias(2, "accepts 2 arg", "same", "anna@a.example")
		alias(0, "berta@a.example stands for itself", "apart", "berta@a.example")
		if anna, berta = look(); berta.Alias != 0 || !berta.Apart || anna.Apart {
			t.Errorf("%+v, %+v", anna, berta)
		}
	}
}

// TestImportNamesNewLoginTwice: a list whose mail would go into one mailbox twice is refused, with both lines.
func TestImportNamesNewLoginTwice(t *testing.T) {
	config, _ := aliasState(t)
	for _, list := range []string{
		"x@a.example pw same@a.example pw\n# a comment\ny@a.example pw SAME@a.example pw\n",
		"login;password;new login;new password\nx@a.example;pw;same@a.example;pw\ny@a.example;pw;same@a.example;pw\n",
	} {
		status, _, stderr := postferry(t, list, "import", "-c", config, "-")
		first := "new login of line 1 again"
		if strings.Contains(list, ";") {
			first = "new login of line 2 again"
		}
		if status != 2 || !strings.Contains(stderr, first) || !strings.Contains(stderr, "standard input:3") || !strings.Contains(stderr, "nothing was taken over") {
			t.Errorf("status %d: %s", status, stderr)
		}
	}
}
