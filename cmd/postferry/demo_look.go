package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/control"
	"postferry/syncer"
)

// mailboxContents is what is in a folder, in the order of its UIDs.
type mailboxContents []seenMessage

// seenMessage is what a client sees of a message, but for its UID.
type seenMessage struct {
	flags string // sorted, in lower case, without \Recent
	date  time.Time
	raw   []byte
}

// same reports how two folders differ.
func (a mailboxContents) same(b mailboxContents) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d messages and not %d", len(b), len(a))
	}
	for i := range a {
		switch {
		case !bytes.Equal(a[i].raw, b[i].raw):
			return fmt.Errorf("message %d has other bytes", i+1)
		case a[i].flags != b[i].flags:
			return fmt.Errorf("message %d has the flags %q and not %q", i+1, b[i].flags, a[i].flags)
		case !a[i].date.Equal(b[i].date):
			return fmt.Errorf("message %d has the date %s and not %s", i+1, b[i].date, a[i].date)
		}
	}
	return nil
}

// subject is the decoded subject.
func (m seenMessage) subject() string {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.raw))
	if err != nil {
		return "(unreadable)"
	}
	text, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		return parsed.Header.Get("Subject")
	}
	return text
}

// fetchAll reads the open folder.
func fetchAll(c *imapclient.Client) (mailboxContents, error) {
	body := &imap.FetchItemBodySection{Peek: true}
	messages, err := c.Fetch(imap.UIDSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{body},
	}).Collect()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(messages, func(a, b *imapclient.FetchMessageBuffer) int { return cmp.Compare(a.UID, b.UID) })
	contents := make(mailboxContents, len(messages))
	for i, m := range messages {
		contents[i] = seenMessage{flags: flagText(m.Flags), date: m.InternalDate, raw: m.FindBodySection(body)}
	}
	return contents, nil
}

func flagText(flags []imap.Flag) string {
	var names []string
	for _, f := range flags {
		if name := strings.ToLower(string(f)); name != `\recent` {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// eye looks at a server directly, past Postferry.
type eye struct{ client *imapclient.Client }

// open logs in as the person of the demo. The connection is closed when ctx ends.
func (s *demoServer) open() (*eye, error) {
	c, err := imapclient.DialInsecure(s.listener.Addr().String(), nil)
	if err != nil {
		return nil, err
	}
	if err := c.Login(demoLogin, demoPassword).Wait(); err != nil {
		c.Close()
		return nil, err
	}
	return &eye{client: c}, nil
}

func (e *eye) close() { e.client.Close() }

// count returns how many messages a folder has.
func (e *eye) count(folder string) (int, error) {
	data, err := e.client.Status(folder, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil {
		return 0, fmt.Errorf("STATUS %s: %w", folder, err)
	}
	return int(*data.NumMessages), nil
}

// counts returns how many messages each folder has.
func (e *eye) counts() (map[string]int, error) {
	folders, err := e.client.List("", "*", nil).Collect()
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int, len(folders))
	for _, f := range folders {
		if counts[f.Mailbox], err = e.count(f.Mailbox); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// contents returns everything in every folder.
func (e *eye) contents() (map[string]mailboxContents, error) {
	counts, err := e.counts()
	if err != nil {
		return nil, err
	}
	all := make(map[string]mailboxContents, len(counts))
	for name := range counts {
		if _, err := e.client.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			return nil, err
		}
		if all[name], err = fetchAll(e.client); err != nil {
			return nil, err
		}
	}
	return all, e.client.Unselect().Wait()
}

// total is how many messages the old server has.
func (t *tour) total() int {
	n := 0
	for _, contents := range t.before {
		n += len(contents)
	}
	return n
}

// compare wants every folder of the old server on the new one.
func (t *tour) compare() error {
	now, err := t.new.contents()
	if err != nil {
		return err
	}
	for _, f := range demoFolders() {
		if err := t.before[f.name].same(now[f.newName]); err != nil {
			return fmt.Errorf("%s on the new server: %w", f.newName, err)
		}
	}
	return nil
}

// pass makes a pass the way "postferry sync" does, through the control socket.
func (t *tour) pass(ctx context.Context) (control.SyncResult, error) {
	r, err := control.Connect(ctx, t.stage.daemon.cfg.State)
	if err != nil {
		return control.SyncResult{}, err
	}
	defer r.Close()
	results, err := r.Sync(ctx, []string{demoLogin}, func([]syncer.Live, int) {})
	if err != nil {
		return control.SyncResult{}, err
	}
	if len(results) != 1 || !results[0].Complete() {
		return control.SyncResult{}, fmt.Errorf("the pass is not complete: %+v", results)
	}
	return results[0], nil
}

// accountStatus asks the way "postferry status" does.
func (t *tour) accountStatus(ctx context.Context) (*control.AccountStatus, error) {
	r, err := control.Connect(ctx, t.stage.daemon.cfg.State)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var found *control.AccountStatus
	err = r.Status(ctx, control.StatusQuery{Logins: []string{demoLogin}}, func(rec control.StatusRecord) error {
		if rec.Account != nil {
			found = rec.Account
		}
		return nil
	})
	if err == nil && found == nil {
		err = errors.New("nothing is known of her")
	}
	return found, err
}

// passEnded waits until the background pass that brought everything has ended.
func (t *tour) passEnded(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := t.accountStatus(ctx)
		if err != nil {
			return err
		}
		if status.Complete && !status.Running {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the pass over her account does not end: %+v", status)
		case <-tick.C:
		}
	}
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// port is the port of an address that is being listened on.
func port(addr net.Addr) string {
	_, p, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return p
}
