package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/control"
	"postferry/internal/demo/servers"
	"postferry/internal/humanize"
	"postferry/lifecycle"
	"postferry/report"
)

// mailDomain is the domain of the demo.
const mailDomain = "example.org"

// Quiet is for how long nothing may arrive at the demo's old server before it may be switched off; with real
// ones that is two days.
const Quiet = 2 * time.Second

// mxLeadsOld asks what to do next while mail is still delivered to the old server.
func (t *tour) mxLeadsOld(ctx context.Context) error {
	t.say("postferry advise %s", mailDomain)
	return t.advised(ctx, "next_mx_name", false)
}

// moveMX changes the MX and has a message arrive late.
func (t *tour) moveMX(ctx context.Context) error {
	t.stage.names.moveMX()
	t.say("The domain's owner lets the MX lead to %s. Postferry asks two DNS servers.", newMX)
	if err := t.advised(ctx, "next_wait_quiet", false); err != nil {
		return err
	}
	now := time.Now().Truncate(time.Second).Add(time.Second) // servers know whole seconds
	late := servers.NewMessage("Noch an den alten Server", "later@example.org", now)
	late.Raw = append([]byte("Received: from mx.slow.example by "+oldMX+"; "+now.Format(time.RFC1123Z)+"\r\n"), late.Raw...)
	if err := t.stage.mail.Old.Put("INBOX", late); err != nil {
		return err
	}
	start := time.Now()
	if err := t.arrives(ctx, "INBOX", late.Raw); err != nil {
		return err
	}
	t.say("Somebody's server remembers the old MX: its message was at the new server after %s.", humanize.Duration(time.Since(start)))
	var err error
	t.before, err = t.old.Contents()
	return err
}

// arrives waits for a message at the new server: nobody asks for a pass now.
func (t *tour) arrives(ctx context.Context, folder string, raw []byte) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := t.new.Contents()
		if err != nil {
			return err
		}
		for _, m := range all[folder] {
			if string(m.Raw) == string(raw) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("late mail does not arrive by itself")
		case <-tick.C:
		}
	}
}

// settle waits until nothing has arrived for long enough, and compares both servers.
func (t *tour) settle(ctx context.Context) error {
	t.say("Late mail is waited for: two days, here %s.", humanize.Duration(Quiet))
	if err := t.becomes(ctx, "next_look", "next_verify"); err != nil { // where machines are slow a look has come after that time already
		return err
	}
	if _, err := t.pass(ctx); err != nil {
		return err
	}
	if err := t.advised(ctx, "next_verify", false); err != nil {
		return err
	}
	r, err := control.Connect(ctx, t.stage.state())
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Verify(ctx, control.VerifyQuery{Logins: []string{servers.Login}}, func(report.VerifyEvent) error { return nil }); err != nil {
		return err
	}
	return t.advised(ctx, "next_finish", true)
}

// finish ends the move: the old server is not needed any more, and her mail program goes on.
func (t *tour) finish(ctx context.Context) error {
	r, err := control.Connect(ctx, t.stage.state())
	if err != nil {
		return err
	}
	defer r.Close()
	q := control.FinishQuery{Domain: mailDomain}
	if _, err := r.Prepare(ctx, q, func(s lifecycle.Step, _ int) {
		t.say("%s", map[lifecycle.Step]string{lifecycle.StepPass: "A last pass ...", lifecycle.StepVerify: "and a last verification ..."}[s])
	}); err != nil {
		return err
	}
	done, err := r.Finish(ctx, q)
	if err != nil {
		return err
	}
	if len(done.Accounts) != 1 || len(done.Left) != 0 {
		return fmt.Errorf("finished were %d accounts, and %d were left", len(done.Accounts), len(done.Left))
	}
	a := done.Accounts[0]
	t.say("Report %d: %s is %s, %s. Her passwords are forgotten.", done.Number, a.Login, strings.ReplaceAll(string(a.Grade), "_", " "), humanize.Count(int(a.Copied), "message"))
	if err := t.advised(ctx, "next_forget", true); err != nil {
		return err
	}
	return t.goesOn()
}

// goesOn logs in once more, for which only the new server is asked.
func (t *tour) goesOn() error {
	client, err := imapclient.DialTLS(t.stage.daemon.IMAPSAddr().String(), &imapclient.Options{TLSConfig: trusting()})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Login(servers.Login, servers.Password).Wait(); err != nil {
		return err
	}
	box, err := client.Select("INBOX", nil).Wait()
	if err != nil {
		return err
	}
	if int(box.NumMessages) != len(t.before["INBOX"]) {
		return fmt.Errorf("her inbox has %d messages and not %d", box.NumMessages, len(t.before["INBOX"]))
	}
	t.say("Her mail program logs in as before and finds %s in her inbox.", humanize.Count(len(t.before["INBOX"]), "message"))
	return nil
}

// advised asks how far the move is, and wants it to be so far.
func (t *tour) advised(ctx context.Context, next string, safe bool) error {
	a, err := t.advice(ctx)
	if err != nil {
		return err
	}
	if a.next != next || a.safe != safe {
		return fmt.Errorf("the next step is %s and not %s, safe to switch off: %v; %s", a.next, next, a.safe, a.verdict)
	}
	t.say("%s", wrapped(a.verdict))
	t.say("Next: %s", wrapped(a.todo))
	return nil
}

// becomes waits until what is to be done is one of some things.
func (t *tour) becomes(ctx context.Context, next ...string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		a, err := t.advice(ctx)
		if err != nil || slices.Contains(next, a.next) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the next step stays %s", a.next)
		case <-tick.C:
		}
	}
}

// advice is how far the move is, as "postferry advise" tells.
type advice struct {
	next, todo, verdict string
	safe                bool
}

func (t *tour) advice(ctx context.Context) (advice, error) {
	r, err := control.Connect(ctx, t.stage.state())
	if err != nil {
		return advice{}, err
	}
	defer r.Close()
	a, err := r.Advise(ctx, mailDomain)
	return advice{a.Next.Code, a.Next.Text, a.Verdict.Text, a.Safe}, err
}

// wrapped is a text in lines that fit behind the tour's indentation.
func wrapped(text string) string {
	var b strings.Builder
	width := 0
	for word := range strings.FieldsSeq(text) {
		switch n := len([]rune(word)); {
		case width == 0:
		case width+1+n > 75:
			b.WriteByte('\n')
			width = 0
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += len([]rune(word))
	}
	return b.String()
}
