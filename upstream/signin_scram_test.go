package upstream

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// scramServer is a server that has SCRAM alone, and one way to go wrong.
type scramServer struct {
	mechanism string
	password  string // that it knows
	fault     string
}

// serve has one exchange.
func (sv scramServer) serve(nc net.Conn) error {
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(nc)
	say := func(format string, args ...any) { fmt.Fprintf(nc, format+"\r\n", args...) }
	hear := func() (string, error) {
		line, err := r.ReadString('\n')
		return strings.TrimRight(line, "\r\n"), err
	}
	say("* OK [CAPABILITY IMAP4rev1 SASL-IR LOGINDISABLED AUTH=%s] hello", sv.mechanism)
	line, err := hear()
	first, ok := strings.CutPrefix(line, "P1 AUTHENTICATE "+sv.mechanism+" ")
	if err != nil || !ok {
		return fmt.Errorf("%q, %v", line, err)
	}
	hash := scram.SHA256
	if sv.mechanism == "SCRAM-SHA-1" {
		hash = scram.SHA1
	}
	client, err := hash.NewClient("ann", sv.password, "")
	if err != nil {
		return err
	}
	known, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
	if err != nil {
		return err
	}
	server, err := hash.NewServer(func(string) (scram.StoredCredentials, error) { return known, nil })
	if err != nil {
		return err
	}
	conv := server.NewConversation()
	step := func(answer string) (string, error) {
		decoded, err := base64.StdEncoding.DecodeString(answer)
		if err != nil {
			return "", err
		}
		return conv.Step(string(decoded))
	}
	challenge, err := step(first)
	if err != nil {
		return err
	}
	if sv.fault == "iterations" {
		challenge = strings.Replace(challenge, "i=4096", "i=2000000000", 1)
	}
	if sv.fault == "nonce" {
		challenge = "r=mine" + challenge[strings.Index(challenge, ",s="):]
	}
	say("+ %s", base64.StdEncoding.EncodeToString([]byte(challenge)))
	line, err = hear()
	switch {
	case err != nil:
		return err
	case line == "*":
		say("P1 BAD cancelled")
	case sv.fault == "unproved":
		say("P1 OK [CAPABILITY IMAP4rev1] in")
	default:
		final, err := step(line)
		if err != nil {
			say("P1 NO [AUTHENTICATIONFAILED] wrong")
			break
		}
		if sv.fault == "impostor" {
			final = "v=" + base64.StdEncoding.EncodeToString([]byte("somebody else"))
		}
		say("+ %s", base64.StdEncoding.EncodeToString([]byte(final)))
		if line, err = hear(); line == "" && err == nil {
			say("P1 OK [CAPABILITY IMAP4rev1] in")
		} else {
			say("P1 BAD cancelled")
		}
	}
	_, _ = io.Copy(io.Discard, r)
	return nil
}

func (sv scramServer) start(t *testing.T) config.Server {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			err = sv.serve(nc)
		}
		served <- err
	}()
	t.Cleanup(func() {
		ln.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	addr := ln.Addr().(*net.TCPAddr)
	return config.Server{Security: config.Insecure, Host: addr.IP.String(), Port: addr.Port}
}

// TestSCRAM: both hashes, and a server that is not what it says it is.
func TestSCRAM(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server scramServer
		kind   store.ProblemKind // "" if it lets us in
	}{
		{"SHA-256", scramServer{"SCRAM-SHA-256", "hush-0f-ann", ""}, ""},
		{"SHA-1", scramServer{"SCRAM-SHA-1", "hush-0f-ann", ""}, ""},
		{"wrong password", scramServer{"SCRAM-SHA-256", "other", ""}, store.LoginRefused},
		{"in without a proof", scramServer{"SCRAM-SHA-256", "hush-0f-ann", "unproved"}, store.Tampering},
		{"another's proof", scramServer{"SCRAM-SHA-256", "hush-0f-ann", "impostor"}, store.Tampering},
		{"another's nonce", scramServer{"SCRAM-SHA-256", "hush-0f-ann", "nonce"}, store.Tampering},
		{"work for hours", scramServer{"SCRAM-SHA-1", "hush-0f-ann", "iterations"}, store.Tampering},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := Dial(t.Context(), tt.server.start(t), testOptions(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = s.Login(t.Context(), ann)
			var kind store.ProblemKind
			if e, ok := errors.AsType[*link.Error](err); ok {
				kind = e.Kind()
			}
			if kind != tt.kind || (err == nil) != (tt.kind == "") {
				t.Errorf("%q: %v", kind, err)
			}
		})
	}
}
