package upstream

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/upstream/link"
	"postferry/upstream/transcript"
)

// TestLateGreeting: a server that takes 20 s to greet (it looks the client up
// in block lists) is waited for; one that takes longer than the stall is not.
func TestLateGreeting(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{
		{20 * time.Second, "ok"},
		{61 * time.Second, "later 0s: x:143: connect: no byte for 1m0s: i/o timeout"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer theirs.Close()
				<-time.After(tt.after)
				// Its error: the client may have gone.
				_, _ = theirs.Write([]byte("* OK [CAPABILITY IMAP4rev1] at last\r\n"))
			}()
			server := config.Server{Security: config.Insecure, Host: "x", Port: 143}
			dial := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
			s, err := Dial(context.Background(), server, link.Options{Stall: time.Minute, Log: zerolog.Nop(), Dial: dial})
			if err == nil {
				s.Close()
			}
			<-ended
			if got := transcript.Verdict(err); got != tt.want && !(err != nil && got == "later 0s: server: connect: no byte for 1m0s: read pipe: i/o timeout") {
				t.Errorf("%v: got %s", tt.after, got)
			}
		})
	}
}
