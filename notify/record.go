package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"postferry/store"
)

// Event is what people are told about.
type Event string

// The events.
const (
	Copied   Event = "copied"
	Trouble  Event = "trouble"
	Settled  Event = "settled"
	Finished Event = "finished"
	Digest   Event = "digest"
	Test     Event = "test"
)

// seen is the event of a domain's having been looked at before, of which nobody is told.
const seen = Event("seen")

// key names a record.
type key struct {
	domain string // "" for all of them
	event  Event
	cause  string
}

// record is what was told of an event last.
type record struct {
	When     time.Time `json:"when"`
	Accounts int       `json:"accounts,omitempty"` // how many the domain had
	Gone     time.Time `json:"gone,omitzero"`      // since when a cause is not there any more; zero while it is
	Letters  []letter  `json:"letters,omitempty"`  // those still to be delivered
}

// letter is a message to one mail address or webhook.
type letter struct {
	ID       string    `json:"id"`
	To       string    `json:"to"`             // a mail address, or the mark of a webhook
	Hook     bool      `json:"hook,omitempty"` // it is a webhook
	Subject  string    `json:"subject,omitempty"`
	Text     string    `json:"text"` // of a webhook the body, JSON
	Attempts int       `json:"attempts,omitempty"`
	Next     time.Time `json:"next"` // when it is tried next
}

// records are what people were told.
func (t *Teller) records(ctx context.Context) (map[key]*record, error) {
	notices, err := t.Store.Notices(ctx)
	if err != nil {
		return nil, err
	}
	told := make(map[key]*record, len(notices))
	for _, n := range notices {
		r := &record{}
		if err := json.Unmarshal(n.Text, r); err != nil {
			return nil, fmt.Errorf("what was told of %s %s can't be read: %w", n.Domain, n.Event, err)
		}
		told[key{n.Domain, Event(n.Event), n.Cause}] = r
	}
	return told, nil
}

// keep writes a record.
func (t *Teller) keep(ctx context.Context, k key, r *record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return t.Store.PutNotice(ctx, store.Notice{Domain: k.domain, Event: string(k.event), Cause: k.cause, Text: text})
}
