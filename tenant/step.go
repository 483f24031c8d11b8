package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postferry/config"
	"postferry/credential"
	"postferry/directory"
	"postferry/store"
	"postferry/upstream"
	"postferry/upstream/link"
	"postferry/upstream/pop3"
)

// Name is what a step is about.
type Name string

// The steps, in their order.
const (
	StepProvider  Name = "provider"  // the provider says where people sign in (method consent)
	StepToken     Name = "token"     // the provider gives out a token
	StepDirectory Name = "directory" // the list of mailboxes can be read
	StepMailbox   Name = "mailbox"   // a mailbox opens
)

// Step is something that was tried, and what came of it.
type Step struct {
	Name Name `json:"step"`
	OK   bool `json:"ok"`
	// Code says what is wrong: the kind of a problem, or a directory's reason; "" if nothing is.
	Code string `json:"code,omitempty"`
	// Host says so; Mailbox is the one that was tried; Count the mailboxes, or the messages of its inbox.
	Host    string `json:"host,omitempty"`
	Mailbox string `json:"mailbox,omitempty"`
	Count   int    `json:"count,omitempty"`
	Text    string `json:"text"` // in English
	// Set is the exact value that has to be set, or the commands to enter; "" if nothing has to.
	Set string `json:"set,omitempty"`
	// Where is the address of the page on which it is set.
	Where string `json:"where,omitempty"`
	// WaitSeconds is for how long a directory wants to be left alone; 0 if it didn't say.
	WaitSeconds int64 `json:"wait_seconds,omitempty"`
	// Cause is for the log.
	Cause string `json:"cause,omitempty"`
}

// Test tries a server's way to sign in: the provider if people agree there, a token, the directory if
// there is one, and one mailbox, or somebody's whom the directory lists. It ends with the first step that
// fails, but for the directory: mail can be copied without it.
func (c *Connector) Test(ctx context.Context, server config.Server, mailbox string) []Step {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	in := server.SignIn
	if in == nil {
		return nil
	}
	if mailbox == "" && in.Method == config.Google {
		mailbox = in.Login
	}
	var steps []Step
	if in.Method == config.Consent {
		if steps = append(steps, c.agreeing(ctx, server)); !steps[0].OK || mailbox == "" {
			return steps
		}
	}
	if in.Method != config.Master {
		if steps = append(steps, c.token(ctx, server, mailbox)); !steps[len(steps)-1].OK {
			return steps
		}
	}
	if HasDirectory(server) {
		step, all := c.directory(ctx, server)
		steps = append(steps, step)
		if some := (directory.Filter{Kinds: []directory.Kind{directory.User}}).Choose(all); mailbox == "" && len(some) > 0 {
			mailbox = some[0].Address
		}
	}
	if mailbox == "" {
		return append(steps, Step{Name: StepMailbox, Code: "mailbox_needed", Text: "Name a mailbox to be tried."})
	}
	return append(steps, c.mailbox(ctx, server, mailbox))
}

// agreeing asks a provider how people can agree there.
func (c *Connector) agreeing(ctx context.Context, server config.Server) Step {
	step := Step{Name: StepProvider}
	p, err := c.provider(ctx, server)
	if err != nil {
		return failed(step, server, err)
	}
	step.Host = p.host
	ways := ""
	for _, way := range []string{byBrowser, byCode} {
		if p.lets(way) {
			ways += " and with a " + way
		}
	}
	if ways == "" {
		return failed(step, server, &ConsentError{Reason: NoBrowser, Host: p.host})
	}
	step.OK, step.Text = true, fmt.Sprintf("People can sign in at %s%s.", p.host, strings.TrimPrefix(ways, " and"))
	return step
}

// token asks for a token.
func (c *Connector) token(ctx context.Context, server config.Server, mailbox string) Step {
	_, err := c.keeper().SignIn(ctx, server, mailbox)
	if err != nil {
		return failed(Step{Name: StepToken, Mailbox: mailbox}, server, err)
	}
	return Step{Name: StepToken, OK: true, Mailbox: mailbox, Text: "A token is given out."}
}

// directory reads the list.
func (c *Connector) directory(ctx context.Context, server config.Server) (Step, []directory.Mailbox) {
	all, err := c.Mailboxes(ctx, server)
	if err != nil {
		return failed(Step{Name: StepDirectory}, server, err), nil
	}
	return Step{Name: StepDirectory, OK: true, Count: len(all), Text: fmt.Sprintf("%d mailboxes are listed.", len(all))}, all
}

// mailbox opens one.
func (c *Connector) mailbox(ctx context.Context, server config.Server, mailbox string) Step {
	step := Step{Name: StepMailbox, Mailbox: mailbox}
	count, err := c.inbox(ctx, server, mailbox)
	if err != nil {
		return failed(step, server, err)
	}
	step.OK, step.Count = true, int(count)
	step.Text = fmt.Sprintf("The mailbox %s opens; its inbox has %d messages.", mailbox, count)
	return step
}

// inbox counts a mailbox's inbox, which is opened for reading only.
func (c *Connector) inbox(ctx context.Context, server config.Server, mailbox string) (uint32, error) {
	keeper := c.keeper()
	for {
		since := time.Now()
		in, err := keeper.SignIn(ctx, server, mailbox)
		if err != nil {
			return 0, err
		}
		count, err := look(ctx, server, in, c)
		again, err := keeper.Judge(server, mailbox, in, since, err)
		if !again {
			return count, err
		}
	}
}

func look(ctx context.Context, server config.Server, in link.SignIn, c *Connector) (uint32, error) {
	opt := link.Options{ReadOnly: true, Log: c.Log}
	if server.Protocol == config.POP3 {
		s, err := pop3.Dial(ctx, server, opt)
		if err != nil {
			return 0, err
		}
		defer s.Close()
		return 0, s.SignIn(ctx, in)
	}
	s, err := upstream.Dial(ctx, server, opt)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if err := s.SignIn(ctx, in); err != nil {
		return 0, err
	}
	inbox, err := s.Opener.Examine(ctx, "INBOX")
	if err != nil {
		return 0, err
	}
	return inbox.Messages, s.Logout(ctx)
}

// failed makes a step say what is wrong.
func failed(step Step, server config.Server, err error) Step {
	step.Cause, step.Host = err.Error(), server.Host
	if e, ok := errors.AsType[*credential.Error](err); ok {
		step.Code, step.Host, step.Text = string(e.Kind), e.Host, e.Summary().String()
		step.Set, step.Where = remedy(e.Kind, server, step.Mailbox)
		return step
	}
	if e, ok := errors.AsType[*ConsentError](err); ok {
		step.Code, step.Host, step.Text = string(e.Reason), e.Host, e.Error()
		return step
	}
	if e, ok := errors.AsType[*directory.Error](err); ok {
		step.Code, step.Text, step.Set, step.Cause = string(e.Reason), e.Error(), e.Set, e.Cause
		step.Where, step.WaitSeconds = directoryPage(e.Reason, server), int64(e.After.Round(time.Second)/time.Second)
		return step
	}
	if e, ok := errors.AsType[*link.Error](err); ok {
		step.Code, step.Text = string(e.Kind()), e.Summary().String()
		return step
	}
	step.Code, step.Text = string(store.Unreachable), fmt.Sprintf("%s can't be asked: %v", server.Host, err)
	return step
}
