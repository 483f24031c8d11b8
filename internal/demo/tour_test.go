package demo

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"postferry/internal/demo/servers"
)

// idle is a Postferry that does nothing until it is told to end.
type idle struct{ Daemon }

func (idle) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// TestDemoNotices wants the tour to fail where the stage is not what it says.
func TestDemoNotices(t *testing.T) {
	s, err := newStage(t.Context(), func(context.Context, string, io.Writer) (Daemon, error) { return idle{}, nil }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.mail.New.Put("Sent", servers.NewMessage("Already there", "x@example.org", time.Now())); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = newTour(s, &out).take(t.Context())
	if err == nil || !strings.Contains(out.String(), "NOT AS IT SHOULD BE: the new server has 1 message already") {
		t.Errorf("%v\n%s", err, &out)
	}
}
