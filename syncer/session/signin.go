package session

import (
	"context"
	"errors"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/problem"
	"postferry/upstream/link"
)

// SignIns knows what to sign in with at servers that want more than an account's own password.
type SignIns interface {
	// SignIn is what to sign in with for a mailbox at a server that has a way to sign in.
	SignIn(ctx context.Context, server config.Server, login string) (link.SignIn, error)
	// Judge says what it means that a server has let a mailbox in (err is nil) or not, with what it was
	// given since some moment, and whether another attempt is worth it.
	Judge(server config.Server, login string, in link.SignIn, since time.Time, err error) (again bool, _ error)
}

// errNoSignIns: whoever put the program together forgot it.
var errNoSignIns = errors.New("there is nothing that knows how to sign in at this server")

// SigningIn opens sessions in the way that a server's domain wants. A token that a server refuses is
// replaced once, for a new session; nil is for servers that all take passwords.
func SigningIn[S Session](dial DialFunc[S], k SignIns) DialFunc[S] {
	return func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (s S, err error) {
		if server.SignIn == nil {
			return dial(ctx, server, c, opt)
		}
		if k == nil {
			return s, unsigned(server, opt, errNoSignIns)
		}
		since := time.Now()
		for tries := 1; ; tries++ {
			in, err := k.SignIn(ctx, server, c.Login)
			if err != nil {
				return s, unsigned(server, opt, err)
			}
			opt.SignIn = &in
			s, err := dial(ctx, server, c, opt)
			again, err := k.Judge(server, c.Login, in, since, err)
			if !again || tries > 1 || ctx.Err() != nil {
				return s, err
			}
		}
	}
}

// signInError is that there was nothing to sign in with. It says nothing of the mail server.
type signInError struct{ err *link.Error }

// Error implements error.
func (e *signInError) Error() string { return e.err.Error() }

// Unwrap returns it as an error with a server.
func (e *signInError) Unwrap() error { return e.err }

// unsigned makes a signInError of what is in the way.
func unsigned(server config.Server, opt link.Options, err error) error {
	class := link.Later
	if d, ok := errors.AsType[problem.Describer](err); ok {
		var p store.Problem
		if d.Describe(&p); p.Advice == store.NeedsFix {
			class = link.Fix
		}
	}
	return &signInError{&link.Error{Server: server.Address(), Role: opt.Role, Op: "login", Class: class, Err: err}}
}

// OfServer tells whether an error of opening a session says anything of the mail server.
func OfServer(err error) bool {
	_, unsigned := errors.AsType[*signInError](err)
	return !unsigned
}
