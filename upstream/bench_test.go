package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

// BenchmarkListMessages reads a listing of 1,000 messages.
func BenchmarkListMessages(b *testing.B) {
	var in bytes.Buffer
	for i := 1; i <= 1000; i++ {
		fmt.Fprintf(&in, "* %d FETCH (UID %d FLAGS (\\Seen $Label1) INTERNALDATE \"03-Feb-2024 04:05:06 +0100\" RFC822.SIZE 8192)\r\n", i, i)
	}
	in.WriteString("P1 OK\r\n")
	b.SetBytes(int64(in.Len()))
	b.ReportAllocs()
	for b.Loop() {
		s := feed(in.Bytes())
		s.conn.link.Writer.Reset(io.Discard)
		n := 0
		if err := s.Fetcher.ListMessages(context.Background(), uids(1, 0), 0, func(Message) error { n++; return nil }); err != nil || n != 1000 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkCopy copies 8 KB messages from one Dovecot to another, 100 in a
// batch: bodies streamed into a MULTIAPPEND that is answered while the next
// batch is on its way.
func BenchmarkCopy(b *testing.B) {
	const batch = 100
	users := []lab.User{{Login: "ann", Password: "hush-0f-ann"}}
	old := lab.StartDovecot(b, lab.DovecotOptions{Users: users})
	fresh := lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox", Users: users})
	old.FillMaildir("ann", "INBOX", lab.Generate(1, 1000, 8<<10))
	ctx := context.Background()
	from, to := login(b, old), login(b, fresh)
	sel, err := from.Opener.Examine(ctx, "INBOX")
	if err != nil || sel.Messages != 1000 {
		b.Fatal(sel, err)
	}
	next, bodies := imap.UID(1), make([][]byte, batch)
	var pending *AppendCall
	messages := 0
	for b.Loop() {
		var msgs []Append
		err := from.Fetcher.Bodies(ctx, uids(next, next+batch-1), func(_ imap.UID, size int64, r io.Reader) error {
			body := append(bodies[len(msgs)][:0], make([]byte, size)...)
			bodies[len(msgs)] = body
			_, err := io.ReadFull(r, body)
			msgs = append(msgs, Append{Size: size, Body: bytes.NewReader(body)})
			return err
		})
		if err != nil || len(msgs) != batch {
			b.Fatal(len(msgs), err)
		}
		if next += batch; next > 1000 {
			next = 1
		}
		call, err := to.Appender.SendAppend(ctx, "INBOX", msgs)
		if err != nil {
			b.Fatal(err)
		}
		await(b, pending)
		pending = call
		messages += batch
	}
	await(b, pending)
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "msgs/s")
}

func login(b *testing.B, d *lab.Dovecot) *Session {
	s, err := Dial(context.Background(), d.Insecure(), testOptions(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if err := s.Login(context.Background(), ann); err != nil {
		b.Fatal(err)
	}
	return s
}

func await(b *testing.B, call *AppendCall) {
	if call == nil {
		return
	}
	results, err := call.Wait(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil || r.UID == 0 {
			b.Fatalf("%+v", r)
		}
	}
}
