package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"
)

const example = "../config.example.toml"

// option matches an option that is commented out.
var option = regexp.MustCompile(`(?m)^#([a-z_]+ = .*)$`)

// exampleWant is what the example says: the defaults, and its one domain.
func exampleWant() Config {
	c := Default()
	c.Domains = []Domain{{
		Name: "example.com",
		Old:  Server{Security: ImplicitTLS, Host: "imap.old.example", Port: 993},
		New:  Server{Security: ImplicitTLS, Host: "imap.new.example", Port: 993},

		Logins:  DefaultLogins,
		Account: AccountLimits{Connections: DefaultConnections},
	}}
	return c
}

func TestExampleShowsDefaults(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	uncommented := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(uncommented, option.ReplaceAll(data, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"as it is": example, "all options written out": uncommented} {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 {
				t.Errorf("warnings: %v", warnings)
			}
			got.source = source{}
			got.Domains[0].Account.Given = GivenLimits{} // what is written out is given
			if want := exampleWant(); !reflect.DeepEqual(*got, want) {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
		})
	}
}

// Every option there is must be in the example, and every commented option must
// be one that there is (Load sees to that above).
func TestExampleIsComplete(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	f := &file{name: example}
	f.load(option.ReplaceAll(data, []byte("$1")))
	for _, name := range append(sectionNames(), "") {
		b := f.block(name)
		if b.line == 0 && name != "" {
			t.Errorf("section %s is missing", name)
		}
		for _, key := range b.known {
			if !b.has(key) {
				t.Errorf("option %s is missing", b.label(key))
			}
		}
	}
	if !slices.Contains(f.block("proxy").known, "imaps") {
		t.Error("this test looks at nothing")
	}
}
