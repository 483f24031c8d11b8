package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"postferry/report"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// answerAt answers on dir's control socket until the test ends, for questions that
// nobody has to be asked about.
func answerAt(t *testing.T, dir string) {
	t.Helper()
	l, err := Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, nil, zerolog.Nop()) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestOtherVersion wants a daemon that does not know a request to be
// told apart from one that fails.
func TestOtherVersion(t *testing.T) {
	dir := t.TempDir()
	answerAt(t, dir)
	r, err := Connect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.ask(t.Context(), "/v9/unknown", struct{}{}, nil)
	if err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("got %v", err)
	}
	resp, err := r.http.Post("http://postferry"+pathAccounts, "application/json", strings.NewReader(`{"accounts": "s3cret"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a malformed request got %s", resp.Status)
	}
}

// TestListenLeavesFilesAlone wants what is no socket to stay.
func TestListenLeavesFilesAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, SocketName)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(t.Context(), dir); err == nil {
		l.Close()
		t.Error("listened over a file")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

// TestMailBreaksOff wants a reader to hear, in the same words, that a message did not come whole.
func TestMailBreaksOff(t *testing.T) {
	var lines bytes.Buffer
	out := &answer{enc: json.NewEncoder(&lines), flush: func() error { return nil }}
	if err := sendMail(out, io.MultiReader(strings.NewReader("Subject: a\r\n"), breaking{})); err != nil {
		t.Fatal(err)
	}
	calls := 0
	err := takeMail(json.NewDecoder(&lines), report.QuarantineRecord{}, "", func(_ report.QuarantineRecord, body io.Reader, _ string) error {
		calls++
		text, err := io.ReadAll(body)
		if string(text) != "Subject: a\r\n" || err == nil || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("read %q, %v", text, err)
		}
		return nil
	})
	if err != nil || calls != 1 || lines.Len() != 0 {
		t.Errorf("%d calls, %v, %d octets left", calls, err, lines.Len())
	}
}

type breaking struct{}

func (breaking) Read([]byte) (int, error) { return 0, errors.New("cut off") }
