package store

import (
	"context"
	"strings"
)

// Notice is something that people are told of a domain, as it was told last. There is one for each
// domain, event and cause.
type Notice struct {
	Domain string // in lower case; "" for what is about all domains
	Event  string // what happened
	Cause  string // which of several troubles; "" where there is only one of the kind
	Text   []byte // who was told, and what; the store does not look into it
}

// Notices keeps what people were told. It is part of every Store, and what Store says of calls
// holds for it too.
type Notices interface {
	// Notices returns all notices, by domain, event and cause. Those of a domain go with it.
	Notices(ctx context.Context) ([]Notice, error)
	// PutNotice adds a notice, or replaces the one of the same domain, event and cause.
	PutNotice(ctx context.Context, n Notice) error
	// DeleteNotice removes a notice; that there is none is no error.
	DeleteNotice(ctx context.Context, n Notice) error
}

// CheckNotice refuses a notice that is malformed.
func CheckNotice(n *Notice) error {
	if n.Domain != "" {
		if err := CheckMoveOf(n.Domain); err != nil {
			return err
		}
	}
	for _, s := range []string{n.Domain, n.Event, n.Cause} {
		if len(s) > maxLogin || strings.Contains(s, "\x00") {
			return Invalid("a notice of domain %q: event %q, cause %q", n.Domain, n.Event, n.Cause)
		}
	}
	if n.Event == "" {
		return Invalid("a notice of domain %q without an event", n.Domain)
	}
	return nil
}
