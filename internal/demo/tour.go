package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/demo/servers"
	"postferry/internal/humanize"
)

// stepLimit bounds each step of the tour.
const stepLimit = 20 * time.Second

// tour is a walk through a stage by a mail client, telling what it sees.
type tour struct {
	stage    *stage
	out      io.Writer
	client   *imapclient.Client // through Postferry
	exists   atomic.Uint32      // what the client was last told, unasked, about its open folder
	old, new *servers.Eye       // past Postferry
	before   map[string]servers.Contents
}

func newTour(s *stage, out io.Writer) *tour { return &tour{stage: s, out: out} }

// step is one thing that the tour shows.
type step struct {
	title string
	show  func(context.Context) error
}

// take walks through all steps and ends at the first that does not show what
// it claims.
func (t *tour) take(ctx context.Context) error {
	defer t.leave()
	for i, s := range []step{
		{"Two mail servers, and Postferry between them", t.meet},
		{"A mail program logs in through Postferry", t.login},
		{"It asks for the folders", t.list},
		{"It opens a folder that is not there yet", t.visit},
		{"The rest arrives in the background", t.rest},
		{"Late mail turns up on the old server", t.straggler},
		{"A second pass", t.again},
		{"What is still to do", t.mxLeadsOld},
		{"The MX is changed", t.moveMX},
		{"May the old server be switched off?", t.settle},
		{"The old server", t.untouched},
		{"The end", t.finish},
	} {
		fmt.Fprintf(t.out, "\n%d. %s\n", i+1, s.title)
		bound, cancel := context.WithTimeout(ctx, stepLimit)
		err := s.show(bound)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(t.out, "   NOT AS IT SHOULD BE: %s\n", err)
			return fmt.Errorf("the tour ended at step %d (%s): %w", i+1, s.title, err)
		}
	}
	fmt.Fprintf(t.out, "\nThat is all: every step was checked by looking at both servers directly.\n")
	return nil
}

// say prints a paragraph of the tour.
func (t *tour) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintf(t.out, "   %s\n", line)
	}
}

func (t *tour) leave() {
	if t.client != nil {
		t.client.Close()
	}
	for _, e := range []*servers.Eye{t.old, t.new} {
		if e != nil {
			e.Close()
		}
	}
}

// meet introduces the servers.
func (t *tour) meet(context.Context) (err error) {
	if t.old, err = t.stage.mail.Old.Open(); err != nil {
		return err
	}
	if t.new, err = t.stage.mail.New.Open(); err != nil {
		return err
	}
	if t.before, err = t.old.Contents(); err != nil {
		return err
	}
	counts, err := t.new.Counts()
	if err != nil {
		return err
	}
	if n := sum(counts); n != 0 {
		return fmt.Errorf("the new server has %s already", humanize.Count(n, "message"))
	}
	t.say("Old server  %s   %d messages in %d folders", t.stage.mail.Old.Addr(), t.total(), len(t.before))
	t.say("New server  %s   no messages at all", t.stage.mail.New.Addr())
	t.say("Postferry   %s   knows nobody yet", t.stage.daemon.IMAPSAddr())
	return nil
}

// login enrols the person by nothing but logging in.
func (t *tour) login(ctx context.Context) (err error) {
	t.client, err = imapclient.DialTLS(t.stage.daemon.IMAPSAddr().String(), &imapclient.Options{
		TLSConfig: trusting(),
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				t.exists.Store(*data.NumMessages)
			}
		}},
	})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { t.client.Close() })
	defer stop()
	start := time.Now()
	if err := t.client.Login(servers.Login, servers.Password).Wait(); err != nil {
		return err
	}
	t.say("Logged in as %s in %s. Both servers accept her password,\nso Postferry has enrolled her: no list of passwords was needed.",
		servers.Login, humanize.Duration(time.Since(start)))
	status, err := t.accountStatus(ctx)
	if err != nil {
		return err
	}
	if status.Origin != "enrolled" {
		return fmt.Errorf("she is %q and not enrolled", status.Origin)
	}
	return nil
}

// trusting accepts any certificate: Postferry's was made for this run, and the connection does not leave this machine.
func trusting() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// list wants every folder of the old server under its new name.
func (t *tour) list(context.Context) error {
	folders, err := t.client.List("", "*", nil).Collect()
	if err != nil {
		return err
	}
	var names []string
	for _, f := range folders {
		names = append(names, f.Mailbox)
	}
	for _, f := range servers.Folders() {
		if !slices.Contains(names, f.NewName) {
			return fmt.Errorf("the folder %q is missing; there are %q", f.NewName, names)
		}
		if f.Name != f.NewName && slices.Contains(names, f.Name) {
			return fmt.Errorf("%q is there beside %q", f.Name, f.NewName)
		}
		if f.Name != f.NewName {
			t.say("%-34s (was %s)", f.NewName, f.Name)
		} else {
			t.say("%s", f.NewName)
		}
	}
	t.say("They are on the new server already, so the answer is its own.")
	return nil
}

// visit opens a folder that has no mail on the new server, and reads it.
func (t *tour) visit(context.Context) error {
	before, err := t.new.Count(servers.Visited)
	if err != nil {
		return err
	}
	if before != 0 {
		return fmt.Errorf("%s has %d messages on the new server before anybody opened it", servers.Visited, before)
	}
	t.say("%s on the new server, looked at directly: no messages.", servers.Visited)
	start := time.Now()
	if _, err := t.client.Select(servers.Visited, nil).Wait(); err != nil {
		return err
	}
	took := time.Since(start)
	seen, err := servers.FetchAll(t.client)
	if err != nil {
		return err
	}
	if err := t.before[servers.Visited].Same(seen); err != nil {
		return fmt.Errorf("what the mail program reads in %s: %w", servers.Visited, err)
	}
	t.say("Opened through Postferry: %s were there when SELECT returned, after %s.", humanize.Count(len(seen), "message"), humanize.Duration(took))
	t.say("All read and compared with the old server: same bytes, same flags, same dates.")
	for _, m := range seen[:min(3, len(seen))] {
		t.say("  - %s", m.Subject())
	}
	t.say("  - ...")
	return nil
}

// rest waits until everything is on the new server.
func (t *tour) rest(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	said := -1
	for {
		counts, err := t.new.Counts()
		if err != nil {
			return err
		}
		n := sum(counts)
		if n > t.total() {
			return fmt.Errorf("%d messages on the new server, but %d on the old one", n, t.total())
		}
		if n == t.total() {
			break
		}
		if n/20 > said/20 || said < 0 {
			t.say("%3d of %d messages are on the new server", n, t.total())
			said = n
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d messages arrived: %w", n, t.total(), ctx.Err())
		case <-tick.C:
		}
	}
	if err := t.passEnded(ctx); err != nil {
		return err
	}
	if err := t.compare(); err != nil {
		return err
	}
	t.say("%3d of %d messages are on the new server, every folder compared.", t.total(), t.total())
	return nil
}

// straggler delivers to the old server while the mail program watches the inbox.
func (t *tour) straggler(ctx context.Context) error {
	selected, err := t.client.Select("INBOX", nil).Wait()
	if err != nil {
		return err
	}
	late := servers.NewMessage("Verspätete Post: MX noch nicht überall", "late@example.org", time.Now().Truncate(time.Second))
	if err := t.stage.mail.Old.Put("INBOX", late); err != nil {
		return err
	}
	t.say("Somebody's server still knows the old address: a message is delivered there.")
	results, err := t.pass(ctx)
	if err != nil {
		return err
	}
	if results.Pass.Copied != 1 {
		return fmt.Errorf("the pass copied %d messages and not the one", results.Pass.Copied)
	}
	if err := t.client.Noop().Wait(); err != nil {
		return err
	}
	if got := t.exists.Load(); got != selected.NumMessages+1 {
		return fmt.Errorf("the mail program was told of %d messages in its inbox and not of %d", got, selected.NumMessages+1)
	}
	seen, err := servers.FetchAll(t.client)
	if err != nil {
		return err
	}
	if last := seen[len(seen)-1]; !bytes.Equal(last.Raw, late.Raw) {
		return errors.New("the last message of the inbox is another one")
	}
	t.say("The next pass brought it over, and the mail program, its inbox open all the time,")
	t.say("was told by the new server: \"* %d EXISTS\".", len(seen))
	t.before, err = t.old.Contents()
	return err
}

// again makes a pass that has nothing to do.
func (t *tour) again(ctx context.Context) error {
	before, err := t.new.Counts()
	if err != nil {
		return err
	}
	r, err := t.pass(ctx)
	if err != nil {
		return err
	}
	after, err := t.new.Counts()
	if err != nil {
		return err
	}
	if r.Pass.Copied != 0 || !maps.Equal(before, after) {
		return fmt.Errorf("it copied %d messages; counts before %v, after %v", r.Pass.Copied, before, after)
	}
	t.say("Copied nothing, in %s: what is in the ledger is never copied again.", humanize.Duration(r.Pass.Ended.Sub(r.Pass.Started)))
	return nil
}

// untouched compares the old server with what it was.
func (t *tour) untouched(context.Context) error {
	after, err := t.old.Contents()
	if err != nil {
		return err
	}
	if len(after) != len(t.before) {
		return fmt.Errorf("it had %d folders and has %d", len(t.before), len(after))
	}
	for name, contents := range t.before {
		if err := contents.Same(after[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	t.say("%s, every flag as it was: Postferry only reads there.", humanize.Count(t.total(), "message"))
	return nil
}
