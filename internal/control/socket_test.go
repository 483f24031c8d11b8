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
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/report"
)

// nobody is not to be asked anything.
type nobody struct{ Backend }

// answerAt answers on dir's control socket until the test ends.
func answerAt(t *testing.T, dir string, b Backend) {
	t.Helper()
	l, err := Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, b, zerolog.Nop()) }()
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
	answerAt(t, dir, nobody{})
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

// TestRoutes: there is a route for each call of Backend, as the compiler can't tell.
func TestRoutes(t *testing.T) {
	dir := t.TempDir()
	answerAt(t, dir, nobody{})
	r, err := Connect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	client, calls := reflect.ValueOf(r), reflect.TypeFor[Backend]()
	for i := range calls.NumMethod() {
		name := calls.Method(i).Name
		call := client.MethodByName(name)
		if call.Type().NumIn() == 0 { // Close
			continue
		}
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for n := 1; n < call.Type().NumIn(); n++ {
			args = append(args, reflect.Zero(call.Type().In(n)))
		}
		out := call.Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		if err == nil || !strings.Contains(err.Error(), "went away while it answered") { // as nobody does
			t.Errorf("%s: %v", name, err)
		}
	}
}

// refusing says goodbye to nobody.
type refusing struct {
	Backend
	kicked int
	err    error
}

func (r refusing) Kick(context.Context, string) (int, error) { return r.kicked, r.err }

// TestQuestion: an answer arrives as it was given, and an error with its exit status and without an answer.
func TestQuestion(t *testing.T) {
	for name, tt := range map[string]struct {
		given   refusing
		want    int
		text    string
		wantEnd int
	}{
		"an answer": {refusing{kicked: 3}, 3, "", 0},
		"an error":  {refusing{kicked: 3, err: errors.New("not now")}, 0, "not now", 0},
		"a mistake": {refusing{err: UsageError(errors.New("no such login"))}, 0, "no such login", ExitUsage},
		"stopped":   {refusing{err: context.Canceled}, 0, "the daemon was stopped before this ended", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			answerAt(t, dir, tt.given)
			r, err := Connect(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := r.Kick(t.Context(), "anna")
			text, code := "", 0
			if err != nil {
				text = err.Error()
			}
			if e, ok := errors.AsType[*ExitError](err); ok {
				code = e.Code
			}
			if got != tt.want || text != tt.text || code != tt.wantEnd {
				t.Errorf("%d, %q, %d", got, text, code)
			}
		})
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
