package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"postferry/report"
)

// quarantineChunk is how much of a message one line carries. Octets.
const quarantineChunk = 48 << 10

// Quarantine implements Backend.
func (r *Client) Quarantine(ctx context.Context, q QuarantineQuery, emit func(report.QuarantineRecord) error) error {
	return r.ask(ctx, pathQuarantine, q, func(dec *json.Decoder) error {
		for {
			reply, err := nextReply(dec)
			if err != nil || reply.End {
				return err
			}
			if err := emit(*reply.Record); err != nil {
				return err
			}
		}
	})
}

// nextReply reads a line that has a record or is the last one.
func nextReply(dec *json.Decoder) (reply quarantineReply, err error) {
	if err := dec.Decode(&reply); err != nil {
		return reply, err
	}
	if !reply.End && reply.Record == nil {
		return reply, errors.New("the daemon's answer is out of order")
	}
	return reply, reply.Error.err()
}

// RetryQuarantined implements Backend.
func (r *Client) RetryQuarantined(ctx context.Context, q QuarantineQuery) (released int, err error) {
	var reply retryReply
	err = r.ask(ctx, pathQuarantineRetry, q, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return reply.Released, err
}

// QuarantinedMail implements Backend.
func (r *Client) QuarantinedMail(ctx context.Context, q QuarantineQuery, sink QuarantineSink) error {
	return r.ask(ctx, pathQuarantineMail, q, func(dec *json.Decoder) error {
		for {
			reply, err := nextReply(dec)
			if err != nil || reply.End {
				return err
			}
			if err := takeMail(dec, *reply.Record, reply.Missing, sink); err != nil {
				return err
			}
		}
	})
}

// takeMail hands one message to the sink and reads what it leaves.
func takeMail(dec *json.Decoder, rec report.QuarantineRecord, missing string, sink QuarantineSink) error {
	if missing != "" {
		return sink(rec, nil, missing)
	}
	body := &chunks{dec: dec}
	if err := sink(rec, body, ""); err != nil {
		return err
	}
	for !body.ended && body.err == nil {
		body.next()
	}
	return body.err
}

// chunks reads a message out of its lines.
type chunks struct {
	dec    *json.Decoder
	rest   []byte
	ended  bool
	broken error // what kept the daemon from reading all of it
	err    error // of the connection with the daemon
}

// next reads one line.
func (c *chunks) next() {
	var reply quarantineReply
	if c.err = c.dec.Decode(&reply); c.err == nil {
		c.rest, c.broken = reply.Data, reply.Error.err()
		c.ended = reply.Whole || c.broken != nil
	} else if errors.Is(c.err, io.EOF) {
		c.err = io.ErrUnexpectedEOF
	}
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 && !c.ended && c.err == nil {
		c.next()
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	switch {
	case n > 0 || len(p) == 0:
		return n, nil
	case c.err != nil:
		return 0, c.err
	case c.broken != nil:
		return 0, c.broken
	}
	return 0, io.EOF
}

func (c *server) quarantine(w http.ResponseWriter, r *http.Request) {
	var req QuarantineQuery
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	err := c.backend.Quarantine(r.Context(), req, func(rec report.QuarantineRecord) error {
		return out.writeLater(quarantineReply{Record: &rec})
	})
	_ = out.write(quarantineReply{End: true, Error: describeError(err)})
}

func (c *server) retryQuarantined(w http.ResponseWriter, r *http.Request) {
	var req QuarantineQuery
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	released, err := c.backend.RetryQuarantined(r.Context(), req)
	c.log.Info().Int("messages", released).Msg("messages released from quarantine")
	_ = out.write(retryReply{Released: released, Error: describeError(err)})
}

func (c *server) quarantinedMail(w http.ResponseWriter, r *http.Request) {
	var req QuarantineQuery
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	err := c.backend.QuarantinedMail(r.Context(), req, func(rec report.QuarantineRecord, body io.Reader, missing string) error {
		if err := out.write(quarantineReply{Record: &rec, Missing: missing}); err != nil || body == nil {
			return err
		}
		return sendMail(out, body)
	})
	_ = out.write(quarantineReply{End: true, Error: describeError(err)})
}

// sendMail writes a body's lines. An error of body is told in the last of
// them, and ends the message only for the other side.
func sendMail(out *answer, body io.Reader) error {
	piece := make([]byte, quarantineChunk)
	for {
		n, err := body.Read(piece)
		line := quarantineReply{Data: piece[:n]}
		switch {
		case errors.Is(err, io.EOF):
			line.Whole = true
		case err != nil:
			line.Error = describeError(err)
		}
		if err := out.writeLater(line); err != nil {
			return err
		}
		if err != nil {
			return nil
		}
	}
}
