package servers

import (
	"bytes"
	"cmp"
	"fmt"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Contents is what is in a folder, in the order of its UIDs.
type Contents []SeenMessage

// SeenMessage is what a client sees of a message, but for its UID.
type SeenMessage struct {
	flags string // sorted, in lower case, without \Recent
	date  time.Time
	Raw   []byte
}

// Same reports how two folders differ.
func (a Contents) Same(b Contents) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d messages and not %d", len(b), len(a))
	}
	for i := range a {
		switch {
		case !bytes.Equal(a[i].Raw, b[i].Raw):
			return fmt.Errorf("message %d has other bytes", i+1)
		case a[i].flags != b[i].flags:
			return fmt.Errorf("message %d has the flags %q and not %q", i+1, b[i].flags, a[i].flags)
		case !a[i].date.Equal(b[i].date):
			return fmt.Errorf("message %d has the date %s and not %s", i+1, b[i].date, a[i].date)
		}
	}
	return nil
}

// Subject is the decoded subject.
func (m SeenMessage) Subject() string {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return "(unreadable)"
	}
	text, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		return parsed.Header.Get("Subject")
	}
	return text
}

// FetchAll reads the open folder.
func FetchAll(c *imapclient.Client) (Contents, error) {
	body := &imap.FetchItemBodySection{Peek: true}
	messages, err := c.Fetch(imap.UIDSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{body},
	}).Collect()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(messages, func(a, b *imapclient.FetchMessageBuffer) int { return cmp.Compare(a.UID, b.UID) })
	contents := make(Contents, len(messages))
	for i, m := range messages {
		contents[i] = SeenMessage{flags: flagText(m.Flags), date: m.InternalDate, Raw: m.FindBodySection(body)}
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

// Eye looks at a server directly, past Postferry.
type Eye struct{ client *imapclient.Client }

// Open logs in as the person of the demo. The connection is closed when ctx ends.
func (s *Server) Open() (*Eye, error) {
	c, err := imapclient.DialInsecure(s.Addr().String(), nil)
	if err != nil {
		return nil, err
	}
	if err := c.Login(Login, Password).Wait(); err != nil {
		c.Close()
		return nil, err
	}
	return &Eye{client: c}, nil
}

func (e *Eye) Close() { e.client.Close() }

// Count returns how many messages a folder has.
func (e *Eye) Count(folder string) (int, error) {
	data, err := e.client.Status(folder, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil {
		return 0, fmt.Errorf("STATUS %s: %w", folder, err)
	}
	return int(*data.NumMessages), nil
}

// Counts returns how many messages each folder has.
func (e *Eye) Counts() (map[string]int, error) {
	folders, err := e.client.List("", "*", nil).Collect()
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int, len(folders))
	for _, f := range folders {
		if counts[f.Mailbox], err = e.Count(f.Mailbox); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// Contents returns everything in every folder.
func (e *Eye) Contents() (map[string]Contents, error) {
	counts, err := e.Counts()
	if err != nil {
		return nil, err
	}
	all := make(map[string]Contents, len(counts))
	for name := range counts {
		if _, err := e.client.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			return nil, err
		}
		if all[name], err = FetchAll(e.client); err != nil {
			return nil, err
		}
	}
	return all, e.client.Unselect().Wait()
}
