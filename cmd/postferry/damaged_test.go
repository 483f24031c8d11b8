package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postferry/internal/control"
	"postferry/store/bolt"
)

// damagedConfig is a configuration whose state has an account, and was then damaged.
func damagedConfig(t *testing.T, damage func([]byte) []byte) (config string) {
	t.Helper()
	config = writeConfig(t, "imaps = \"127.0.0.1:0\"\nimap = \"\"")
	takeOver(t, config, "anna@example.com hush-0f-anna\n")
	path := filepath.Join(filepath.Dir(config), "state", "state.db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, damage(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestDamagedState wants every command that opens the state to say that it is
// damaged, and what to do; store.TestDamagedFile has more kinds of damage.
func TestDamagedState(t *testing.T) {
	damages := map[string]func([]byte) []byte{
		"empty":   func([]byte) []byte { return nil },
		"cut":     func(b []byte) []byte { return b[:3*4096] },
		"zeros":   func(b []byte) []byte { clear(b[3*4096:]); return b },
		"garbage": func(b []byte) []byte { return bytes.Repeat([]byte("garbage!"), len(b)/8) },
	}
	commands := [][]string{
		{"serve"}, {"sync"}, {"sync", "--dry-run"}, {"verify"}, {"status"}, {"status", "--json"}, {"import", "LIST"},
		{"quarantine", "list"}, {"quarantine", "show", "1.1.31"}, {"quarantine", "retry"}, {"quarantine", "export", "-o", "OUT"},
		{"admin", "passwd", "anna"}, {"admin", "token", "create", "x"}, {"admin", "token", "list"}, {"admin", "token", "revoke", "1"},
		{"admin", "link"}, {"key", "rotate"}, {"discover", "example.com"},
	}
	for name, damage := range damages {
		for _, command := range commands {
			t.Run(strings.Join(command, " ")+", "+name, func(t *testing.T) {
				t.Parallel()
				config := damagedConfig(t, damage)
				list := filepath.Join(filepath.Dir(config), "list")
				writeFile(t, list, "bert@example.com hush-0f-bert\n")
				args := []string{"-c", config}
				for i, arg := range command {
					switch arg {
					case "LIST":
						arg = list
					case "OUT":
						arg = filepath.Join(filepath.Dir(config), "out")
					}
					args = append(args[:i], append([]string{arg}, args[i:]...)...)
				}
				status, stderr := process(t, strings.NewReader("a long password\n"), nil, nil, args...)
				wantSentence(t, status, stderr, exitFailed, filepath.Join("state", "state.db")+" is damaged", "backup", "import the accounts again")
			})
		}
	}
}

// TestStateDamagedWhileServing cuts the database under a running daemon, which ends
// with the reason.
func TestStateDamagedWhileServing(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int64{"cut to nothing": 0, "cut behind its first pages": 8192} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := writeConfig(t, "imaps = \"127.0.0.1:0\"\nimap = \"\"")
			takeOver(t, config, "anna@example.com hush-0f-anna\n")
			state := filepath.Join(filepath.Dir(config), "state")
			status, stderr := process(t, nil, func(*os.Process) {
				eventually(t, "a daemon that answers", func() bool {
					c, err := control.Dial(t.Context(), state)
					if err == nil {
						c.Close()
					}
					return err == nil
				})
				if err := os.Truncate(filepath.Join(state, "state.db"), size); err != nil {
					t.Error(err)
				}
				if code, _, stderr := postferry(t, "", "status", "-c", config); code == exitOK {
					t.Errorf("status of a damaged state: %d, %s", code, stderr)
				}
			}, nil, "serve", "-c", config)
			wantSentence(t, status, stderr, exitFailed, "state.db is damaged", "backup")
			_, err := bolt.Open(state, bolt.Options{Command: "test"})
			if err == nil || !strings.Contains(err.Error(), "is damaged") {
				t.Errorf("opening it: %v", err)
			}
			if _, err := os.Stat(filepath.Join(state, control.SocketName)); err == nil {
				t.Error("the control socket is still there")
			}
		})
	}
}
