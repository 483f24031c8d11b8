package pop3

import (
	"bytes"
	"context"
	"io"

	"postferry/upstream/link"
)

// maxHeader bounds the header that Headers reports; the rest is lost. Octets.
const maxHeader = 256 << 10

// Headers reads the headers of messages and calls fn for each that the server
// gives, in order. header is fn's to keep, and at most 256 KB of it. With
// sized, the size of m is the message's own, whatever LIST says: where that is
// not exact all of each message has to be read, as where there is no TOP.
func (s *Session) Headers(ctx context.Context, list []Message, sized bool, fn func(m Message, header []byte) error) error {
	if sized {
		if err := s.tryOut(ctx, list); err != nil {
			return err
		}
	}
	err := s.headers(ctx, list, sized, fn)
	if e, ok := err.(*link.Error); ok && e.Class == link.Refused {
		s.opt.Log.Info().Err(err).Msg("the server does not give all headers")
		return nil
	}
	return err
}

func (s *Session) headers(ctx context.Context, list []Message, sized bool, fn func(m Message, header []byte) error) error {
	q := s.opt.Quirks
	if s.hasTop() && (!sized || s.exact()) {
		unproved := func() bool { return !q.HasProved(givesTop) }
		err := s.each(ctx, asking{verb: "TOP", suffix: " 0", window: topWindow, strict: unproved}, list, func(m Message, r io.Reader) error {
			q.Prove(givesTop)
			return s.header(m, r, false, fn)
		})
		if err == nil || link.ClassOf(err) != link.Refused || !unproved() {
			return err
		}
		q.Distrust(givesTop) // with the first message, so none has been told
	}
	return s.each(ctx, asking{verb: "RETR", window: retrWindow, whole: true}, list, func(m Message, r io.Reader) error {
		return s.header(m, r, true, fn)
	})
}

// header reads a message, or its header alone, and tells it.
func (s *Session) header(m Message, r io.Reader, whole bool, fn func(m Message, header []byte) error) error {
	var h headerKeeper
	if _, err := io.Copy(&h, r); err != nil {
		return err
	}
	if whole {
		s.judgeSize(m, h.size)
		m.Size = h.size
	}
	return fn(m, h.kept)
}

// tryOut finds out whether LIST's sizes are exact, if that isn't known, by
// reading a small message.
func (s *Session) tryOut(ctx context.Context, list []Message) error {
	if s.opt.Quirks.HasProved(exactSizes) || s.opt.Quirks.Distrusts(string(exactSizes)) {
		return nil
	}
	for _, m := range list {
		if m.Size > 0 && m.Size <= maxHeld {
			err := s.Bodies(ctx, []Message{m}, func(Message, int64, io.Reader) error { return nil })
			if err == nil || link.ClassOf(err) != link.Refused {
				return err
			}
		}
	}
	return nil
}

// headerKeeper keeps the header of the message written to it, with the empty
// line, and counts all of it.
type headerKeeper struct {
	kept []byte
	size int64
	done bool
}

// Write never fails.
func (h *headerKeeper) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	if h.done {
		return len(p), nil
	}
	from := max(len(h.kept)-3, 0)
	h.kept = append(h.kept, p[:min(len(p), maxHeader-len(h.kept))]...)
	end := headerEnd(h.kept, from)
	if h.done = end > 0 || len(h.kept) == maxHeader; end > 0 {
		h.kept = h.kept[:end]
	}
	return len(p), nil
}

// headerEnd is where the empty line behind a header ends, 0 if it has none yet.
// There is none before from.
func headerEnd(b []byte, from int) int {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return 2
	}
	if bytes.HasPrefix(b, []byte("\n")) {
		return 1
	}
	for i := from; i < len(b); i++ {
		if b[i] != '\n' {
			continue
		}
		switch rest := b[i+1:]; {
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return i + 3
		case bytes.HasPrefix(rest, []byte("\n")):
			return i + 2
		}
	}
	return 0
}
