package lab

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Sample is a message to try things on.
type Sample struct {
	Name string // "own/...", "enmime/..." or "generated/..."
	Body []byte // never empty
	// Altered messages change on the way: Dovecot 2.3's APPEND stores CR CR LF
	// as CRLF. All others come out as they went in (bare LF as CRLF, NUL as 0x80).
	Altered bool
}

// Msg makes a message of a sample, to fill folders with.
func (s Sample) Msg() Msg { return Msg{Body: s.Body} }

// Messages returns real and awkward messages, always in the same order: the
// project's own of testdata/messages, those that the module
// github.com/jhillyerd/enmime ships for its tests, and one with an attachment
// of 10 MB.
func Messages(tb testing.TB) []Sample {
	tb.Helper()
	samples := readSamples(tb, "own/", filepath.Join(Root(tb), "testdata", "messages"))
	samples = append(samples, readSamples(tb, "enmime/", filepath.Join(moduleDir(tb, "github.com/jhillyerd/enmime"), "testdata"))...)
	return append(samples, Sample{"generated/attachment-10MB", attachment(10 << 20), false})
}

// OwnMessages returns the project's own awkward messages only.
func OwnMessages(tb testing.TB) []Sample {
	tb.Helper()
	return readSamples(tb, "own/", filepath.Join(Root(tb), "testdata", "messages"))
}

// readSamples reads all messages below dir, in the order of their paths.
func readSamples(tb testing.TB, prefix, dir string) []Sample {
	tb.Helper()
	var samples []Sample
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isMessage(path) {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil || len(body) == 0 {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		samples = append(samples, Sample{prefix + rel, body, bytes.Contains(body, []byte("\r\r\n"))})
		return err
	})
	if err != nil {
		tb.Fatalf("lab: %v", err)
	}
	if len(samples) == 0 {
		tb.Fatalf("lab: no messages in %s", dir)
	}
	return samples
}

// isMessage tells messages from the expected results that lie beside them.
func isMessage(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".eml" || ext == ".raw"
}

// moduleDir is where the go command keeps a module's source.
func moduleDir(tb testing.TB, module string) string {
	tb.Helper()
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = Root(tb)
	out, err := cmd.Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		tb.Fatalf("lab: module %s is not in the module cache (%v); run go mod download", module, err)
	}
	return dir
}

// attachment is a message with a file of size octets, as mail programs send it.
func attachment(size int) []byte {
	var out bytes.Buffer
	out.WriteString("From: anna@example.com\r\nTo: bernd@example.net\r\nSubject: a large file\r\n" +
		"Date: Tue, 3 Mar 2020 09:15:00 +0100\r\nMessage-ID: <attachment-10MB@example.com>\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nThe file is attached.\r\n" +
		"--b\r\nContent-Type: application/octet-stream; name=file.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	const width = 57 // octets in a line of 76 characters
	file := make([]byte, 257*width)
	for i := range file {
		file[i] = byte(i * 7919 >> 5)
	}
	for at := 0; at < size; at += width {
		from := at % len(file)
		out.WriteString(base64.StdEncoding.EncodeToString(file[from : from+min(width, size-at)]))
		out.WriteString("\r\n")
	}
	out.WriteString("--b--\r\n")
	return out.Bytes()
}
