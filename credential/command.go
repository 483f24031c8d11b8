package credential

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"postferry/store"
)

const (
	// commandBound is how long a program that prints tokens may take.
	commandBound = time.Minute
	// commandGrace is how long is waited for what a program that was ended has left behind.
	commandGrace = time.Second
	// maxOutput bounds what it may print. Octets.
	maxOutput = 64 << 10
)

// command runs the program that prints tokens.
func (t *tenant) command(ctx context.Context, login string) (token, error) {
	if strings.HasPrefix(login, "-") || strings.ContainsAny(login, "\x00\r\n") {
		return token{}, t.commandFault(errors.New("a login like this is not given to a program"))
	}
	bound, cancel := context.WithTimeout(ctx, commandBound)
	defer cancel()
	args := t.signIn.Args(login)
	cmd := exec.CommandContext(bound, args[0], args[1:]...)
	cmd.WaitDelay = commandGrace
	var out, said bounded
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return token{}, ctx.Err()
	case bound.Err() != nil:
		return token{}, t.commandFault(fmt.Errorf("it took longer than %v", commandBound))
	case err != nil:
		return token{}, t.commandFault(fmt.Errorf("%w: %s", err, printable(said.String())))
	case out.over:
		return token{}, t.commandFault(fmt.Errorf("it printed more than %d octets", maxOutput))
	}
	secret, life, err := readToken(out.Bytes())
	if err != nil {
		return token{}, t.commandFault(err)
	}
	return newToken(secret, life), nil
}

func (t *tenant) commandFault(err error) *Error {
	f := t.fault(store.TokenCommandFailed, "", err)
	f.Tenant = !t.signIn.PerMailbox()
	return f
}

// readToken reads what a program prints: a token alone, or a JSON object as providers send it.
func readToken(out []byte) (store.Secret, time.Duration, error) {
	text := strings.TrimSpace(string(out))
	var answer struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
	}
	if strings.HasPrefix(text, "{") {
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			return "", 0, errors.New("it printed JSON that can't be read")
		}
		text = answer.Token
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", 0, errors.New("it printed no token")
	}
	seconds, err := answer.Expires.Int64()
	if err != nil {
		seconds = 0
	}
	return store.Secret(text), time.Duration(min(max(seconds, 0), 1<<31)) * time.Second, nil
}

// bounded keeps the beginning of what is written.
type bounded struct {
	bytes.Buffer
	over bool
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	room := maxOutput - b.Len()
	if len(p) > room {
		b.over = true
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
