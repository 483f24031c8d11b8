package proxy

import (
	"bytes"
	"context"
	"time"

	"postferry/wire"
)

// askingPause is how long the wait for answers to STATUS begins anew after: a client that
// asks about a hundred folders one by one waits no longer than one that asks about all.
const askingPause = 5 * time.Second

// asking is what a client has waited for since it began to ask.
type asking struct {
	began  time.Time
	waited time.Duration
}

// asks holds a STATUS or LIST back for a moment, in which folders that lack little are
// filled. What the client sent before goes on.
func (u *upload) asks(ctx context.Context, names ...string) error {
	if err := u.passBefore(); err != nil {
		return err
	}
	defer u.holding(heldByStatus)()
	now := time.Now()
	if now.Sub(u.asked.began) > askingPause {
		u.asked = asking{began: now}
	}
	raw := make([]string, len(names))
	for i, name := range names {
		raw[i] = u.rawName(name)
	}
	ctx, cancel := context.WithTimeout(ctx, u.srv.cfg.Proxy.StatusWait-u.asked.waited)
	defer cancel()
	u.srv.ferry.Asked(ctx, u.account().ID, raw...)
	u.asked.waited += time.Since(now)
	return nil
}

// asks reports whether a command may ask what folders have.
func asks(v wire.Verb) bool {
	return v == wire.VerbStatus || v == wire.VerbList || v == wire.VerbNotify
}

// asksAboutAll reports whether a command asks for the STATUS of many folders: LIST with
// RETURN (STATUS ...) (RFC 5819), NOTIFY with STATUS (RFC 5465). What it is not sure of it takes
// for that: it costs a moment.
func asksAboutAll(v wire.Verb, command []byte) bool {
	switch v {
	case wire.VerbList:
		line := bytes.ToUpper(command)
		_, options, found := bytes.Cut(line, []byte("RETURN ("))
		return found && bytes.Contains(options, []byte("STATUS"))
	case wire.VerbNotify:
		return bytes.Contains(bytes.ToUpper(command), []byte("STATUS"))
	}
	return false
}
