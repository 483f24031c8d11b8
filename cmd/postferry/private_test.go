package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"postferry/internal/control"
)

// TestStateOthersMayWrite wants every command to refuse a state that others may
// write, and none of them to speak to who listens there: an import would tell it passwords.
func TestStateOthersMayWrite(t *testing.T) {
	t.Parallel()
	config := writeConfig(t, "imaps = \"127.0.0.1:0\"\nimap = \"\"")
	takeOver(t, config, "anna@example.com hush-0f-anna\n")
	state := filepath.Join(filepath.Dir(config), "state")
	l, err := net.Listen("unix", filepath.Join(state, control.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	met := make(chan struct{}, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			met <- struct{}{}
			c.Close()
		}
	}()
	defer l.Close()
	list := filepath.Join(filepath.Dir(config), "list")
	writeFile(t, list, "bert@example.com hush-0f-bert\n")
	if err := os.Chmod(state, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve"}, {"import", list}, {"sync"}, {"status"}, {"verify"}, {"quarantine", "list"}, {"admin", "token", "list"}, {"key", "rotate"}} {
		status, _, stderr := postferry(t, "", append(args, "-c", config)...)
		wantSentence(t, status, stderr, exitFailed, state+" has mode 0777", "others may write it", "chmod go-w")
	}
	select {
	case <-met:
		t.Error("somebody was spoken to")
	default:
	}
}
