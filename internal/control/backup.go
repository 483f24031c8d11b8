package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"postferry/store"
)

// pathBackup is the backup's part of what the control socket speaks.
const pathBackup = "/v1/backup" // POST backupRequest -> backupReply...

type backupRequest struct {
	WithKey bool `json:"with_key,omitempty"`
}

// backupReply is a line of the answer: a piece of the archive, or the end.
type backupReply struct {
	Data  []byte          `json:"data,omitempty"`
	Done  *store.BackedUp `json:"done,omitempty"`
	End   bool            `json:"end,omitempty"`
	Error *replyError     `json:"error,omitempty"`
}

// Backup implements Backend.
func (r *Client) Backup(ctx context.Context, withKey bool, w io.Writer) (done store.BackedUp, err error) {
	err = r.ask(ctx, pathBackup, backupRequest{WithKey: withKey}, func(dec *json.Decoder) error {
		for {
			var reply backupReply
			if err := dec.Decode(&reply); err != nil {
				return err
			}
			if reply.End && reply.Done != nil {
				done = *reply.Done
			}
			if reply.End {
				return reply.Error.err()
			}
			if _, err := w.Write(reply.Data); err != nil {
				return err
			}
		}
	})
	return done, err
}

func (c *server) backup(w http.ResponseWriter, r *http.Request) {
	var req backupRequest
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	done, err := c.backend.Backup(r.Context(), req.WithKey, &archiveLines{out: out})
	if err == nil {
		c.log.Info().Bool("with_key", done.Key).Int64("octets", done.Octets).Msg("the state was backed up")
	}
	_ = out.write(backupReply{Done: &done, End: true, Error: describeError(err)})
}

// archiveLines writes an archive as lines of an answer.
type archiveLines struct{ out *answer }

func (l *archiveLines) Write(p []byte) (n int, err error) {
	for n < len(p) {
		piece := p[n:min(len(p), n+quarantineChunk)]
		if err := l.out.writeLater(backupReply{Data: piece}); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}
