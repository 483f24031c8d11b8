package server

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postferry/internal/lab"
)

// nodeFolder is a folder with openapi.yaml, what testdata/openapi has, and the packages that these need.
func nodeFolder(t *testing.T) string {
	t.Helper()
	dir, packages := t.TempDir(), filepath.Join(lab.Root(t), ".cache", "npm", "node_modules")
	if _, err := os.Stat(packages); err != nil {
		t.Fatalf("%v; run scripts/test-deps.sh", err)
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "openapi"))); err != nil {
		t.Fatal(err)
	}
	description, err := os.ReadFile(filepath.Join("..", "api", "openapi.yaml"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "openapi.yaml"), description, 0o600)
	}
	if err == nil {
		err = os.Symlink(packages, filepath.Join(dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// node runs a script in a folder, and returns what it prints.
func node(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", args...)
	// What looks for newer releases, or tells how it is used, stays off.
	cmd.Dir, cmd.Env = dir, append(os.Environ(), append(env, "REDOCLY_TELEMETRY=off", "NO_COLOR=1", "no_proxy=127.0.0.1")...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRedocly: Redocly's linter has nothing to say of openapi.yaml, by all rules that it recommends, and it does say what is wrong.
func TestRedocly(t *testing.T) {
	t.Parallel()
	dir := nodeFolder(t)
	if found := node(t, dir, nil, "lint.mjs"); found != "" {
		t.Errorf("openapi.yaml:\n%s", found)
	}
	at := filepath.Join(dir, "openapi.yaml")
	text, err := os.ReadFile(at)
	if err == nil {
		err = os.WriteFile(at, []byte(strings.Replace(string(text), "operationId: login\n", "operationId: openAPI\n", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if found := node(t, dir, nil, "lint.mjs"); !strings.Contains(found, "operation-operationId-unique") {
		t.Errorf("two operations of one name pass: %s", found)
	}
}

// TestTypeScriptClient: openapi-typescript makes a client that TypeScript's compiler takes, and
// a program that uses it gets from a server what it was promised.
func TestTypeScriptClient(t *testing.T) {
	p := startPage(t)
	c, dir := p.program(""), nodeFolder(t)
	node(t, dir, nil, "node_modules/openapi-typescript/bin/cli.js", "openapi.yaml", "-o", "api.mts")
	node(t, dir, nil, "node_modules/typescript/bin/tsc", "-p", ".")
	got := node(t, dir, []string{"BASE=" + c.url + apiPath, "TOKEN=" + string(c.token)}, "out/client.mjs")
	const want = "a.example old.a.example no schedule\nanna@a.example waiting without a problem\n404 not_found\n"
	if got != want {
		t.Errorf("it prints\n%swant\n%s", got, want)
	}
}

// TestGoClient: oapi-codegen makes a client that compiles, and a program that uses it gets from a server what it was promised.
func TestGoClient(t *testing.T) {
	p := startPage(t)
	c, dir := p.program(""), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "goclient"))); err != nil {
		t.Fatal(err)
	}
	description, err := filepath.Abs(filepath.Join("..", "api", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "BASE="+c.url+apiPath, "TOKEN="+string(c.token), "no_proxy=127.0.0.1")
		out, err := cmd.Output()
		if err != nil {
			var said []byte
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				said = exit.Stderr
			}
			t.Fatalf("go %s: %v\n%s%s", strings.Join(args, " "), err, out, said)
		}
		return string(out)
	}
	run("tool", "oapi-codegen", "-generate", "types,client", "-package", "main", "-o", "client.go", description)
	const want = "a.example old.a.example true\nanna@a.example waiting true\n404 not_found\n"
	if got := run("run", "."); got != want {
		t.Errorf("it prints\n%swant\n%s", got, want)
	}
}
