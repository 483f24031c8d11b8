package directory

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"postferry/internal/pause"
)

// purposeOf is the kind that Graph has a word for.
func purposeOf(word string) Kind {
	switch word {
	case "user":
		return User
	case "shared":
		return Shared
	case "room":
		return Room
	case "equipment":
		return Equipment
	}
	return Other
}

// clear asks what the unclear mailboxes are for. Without the permission for that, and once there is no more patience, the guess stays.
func (m Microsoft) clear(ctx context.Context, a *asker, all []Mailbox, unclear map[string]int) error {
	for some := range slices.Chunk(slices.Sorted(maps.Keys(unclear)), graphBatch) {
		told, enough, err := purposes(ctx, a, some)
		for id, kind := range told {
			all[unclear[id]].Kind, all[unclear[id]].Guessed = kind, false
		}
		if err != nil || enough {
			return err
		}
	}
	return nil
}

// purposes asks for several until none of them is to be asked for later, or no more patience is left. enough: the others are not
// to be asked for, as there is no patience left, or none of these are for us to know.
func purposes(ctx context.Context, a *asker, ids []string) (told map[string]Kind, enough bool, err error) {
	told = map[string]Kind{}
	for try := 1; ; try++ {
		some, err := askPurposes(ctx, a, ids)
		if err != nil {
			return nil, false, err
		}
		maps.Copy(told, some.told)
		if len(some.later) == 0 {
			return told, len(told) == 0 && some.refused == len(ids), nil
		}
		after := max(some.after, defaultPause<<(try-1))
		if end, ends := ctx.Deadline(); try == maxTries || after > maxPause || ends && time.Until(end) < after {
			return told, true, nil
		}
		if err := pause.For(ctx, after); err != nil {
			return nil, false, err
		}
		ids = some.later
	}
}

// someTold is what is told of several.
type someTold struct {
	told    map[string]Kind
	refused int           // how many are not for us
	later   []string      // those that are to be asked for again
	after   time.Duration // not before that
}

// askPurposes asks for several at once ("JSON batching"): each of them may be throttled by itself.
func askPurposes(ctx context.Context, a *asker, ids []string) (some someTold, err error) {
	type request struct {
		ID     string `json:"id"`
		Method string `json:"method"`
		URL    string `json:"url"`
	}
	var in struct {
		Requests []request `json:"requests"`
	}
	for _, id := range ids {
		in.Requests = append(in.Requests, request{id, http.MethodGet, "/users/" + url.PathEscape(id) + "/mailboxSettings/userPurpose"})
	}
	body, err := json.Marshal(in)
	if err != nil {
		return some, err
	}
	var out struct {
		Responses []purpose `json:"responses"`
	}
	if err := a.ask(ctx, http.MethodPost, a.base.String()+"/$batch", body, &out, graphRefusal(a, GraphSettings)); err != nil {
		return some, err
	}
	some.told = map[string]Kind{}
	for _, r := range out.Responses {
		if slices.Contains(ids, r.ID) {
			some.add(r)
		}
	}
	return some, nil
}

// purpose is an answer within a batch.
type purpose struct {
	ID      string `json:"id"`
	Status  int    `json:"status"`
	Headers struct {
		After string `json:"Retry-After"`
	} `json:"headers"`
	Body struct {
		Value json.RawMessage `json:"value"`
	} `json:"body"`
}

func (s *someTold) add(r purpose) {
	var word string
	switch {
	case passing(r.Status):
		s.later, s.after = append(s.later, r.ID), max(s.after, retryAfter(r.Headers.After, time.Now()))
	case r.Status == http.StatusForbidden, r.Status == http.StatusUnauthorized:
		s.refused++
	case r.Status == http.StatusOK && json.Unmarshal(r.Body.Value, &word) == nil:
		s.told[r.ID] = purposeOf(word)
	}
}
