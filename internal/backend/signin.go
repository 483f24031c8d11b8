package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"postferry/config"
	"postferry/directory"
	"postferry/internal/control"
	"postferry/report/reason"
	"postferry/store"
	"postferry/tenant"
)

// connector tries how Postferry signs in.
func (l *Local) connector() *tenant.Connector {
	return &tenant.Connector{Consents: l.Store, Log: l.Log}
}

// signInServer is a server that Postferry signs in at in another way than with accounts' passwords.
func (l *Local) signInServer(q control.SignInQuery) (config.Server, error) {
	d, ok := l.Config.Directory.DomainNamed(q.Domain)
	if !ok {
		return config.Server{}, control.UsageError(fmt.Errorf("there is no domain %q", q.Domain))
	}
	server := d.Old
	if cmp.Or(q.Side, store.OldSide) == store.NewSide {
		server = d.New
	}
	if server.SignIn == nil {
		return server, control.UsageError(fmt.Errorf("%s signs in at its %s server with the accounts' own passwords; expected another method, see [domain.%s_sign_in] in config.example.toml",
			d.Name, cmp.Or(q.Side, store.OldSide), cmp.Or(q.Side, store.OldSide)))
	}
	return server, nil
}

// SignIns implements control.Backend.
func (l *Local) SignIns(ctx context.Context) ([]control.SignInState, error) {
	all := []control.SignInState{}
	for _, d := range l.Config.Directory.All() {
		consents, err := l.Store.Consents(ctx, d.Name)
		if err != nil {
			return nil, err
		}
		for side, server := range map[store.Side]config.Server{store.OldSide: d.Old, store.NewSide: d.New} {
			s := control.SignInState{Domain: d.Name, Side: side, Host: server.Host, Method: string(config.Passwords)}
			if in := server.SignIn; in != nil {
				s.Method, s.ClientID, s.Consents = string(in.Method), in.ClientID, agreedWith(in, side, consents)
			}
			all = append(all, s)
		}
	}
	return all, nil
}

// agreedWith counts the consents at a server that are of use: what was agreed with somebody else is of none.
func agreedWith(in *config.SignIn, side store.Side, consents []store.Consent) (n int) {
	for _, c := range consents {
		if c.Side == side && c.Issuer == in.Issuer && c.ClientID == in.ClientID {
			n++
		}
	}
	return n
}

// TestSignIn implements control.Backend.
func (l *Local) TestSignIn(ctx context.Context, q control.SignInQuery) ([]tenant.Step, error) {
	server, err := l.signInServer(q)
	if err != nil {
		return nil, err
	}
	return l.connector().Test(ctx, server, q.Mailbox), ctx.Err()
}

// Mailboxes implements control.Backend.
func (l *Local) Mailboxes(ctx context.Context, q control.SignInQuery) ([]directory.Mailbox, error) {
	server, err := l.signInServer(q)
	if err != nil {
		return nil, err
	}
	if !tenant.HasDirectory(server) {
		return nil, control.UsageError(fmt.Errorf("mailboxes are listed by Microsoft 365 and Google Workspace; with method = %q there is nobody to ask", server.SignIn.Method))
	}
	all, err := l.connector().Mailboxes(ctx, server)
	if e, ok := errors.AsType[*directory.Error](err); ok {
		l.Log.Warn().Str("domain", q.Domain).Str("cause", e.Cause).Msg("the list of mailboxes can't be fetched")
	}
	return all, summed(err)
}

// Consent implements control.Backend.
func (l *Local) Consent(ctx context.Context, q control.SignInQuery, ask func(tenant.Prompt) error) error {
	server, err := l.signInServer(q)
	if err != nil {
		return err
	}
	agreed, err := l.connector().Consent(ctx, server, q.Mailbox, ask)
	if err != nil {
		return summed(err)
	}
	ctx = context.WithoutCancel(ctx) // the provider gives it out once
	err = l.Store.PutConsent(ctx, agreed)
	if errors.Is(err, store.ErrEnded) {
		return summed(l.connector().GiveBack(ctx, server, agreed))
	}
	if err != nil {
		return err
	}
	return errors.Join(l.noter().Agreed(ctx, agreed.Mailbox), l.agreed(ctx, agreed.Mailbox))
}

// agreed has what waited for a mailbox's owner go on.
func (l *Local) agreed(ctx context.Context, m store.Mailbox) error {
	l.forgetTokens(m)
	all, err := l.Store.Accounts(ctx)
	if err != nil {
		return err
	}
	var ids []store.AccountID
	for i := range all {
		if m.Of(&all[i]) {
			ids = append(ids, all[i].ID)
		}
	}
	if err := l.Store.ForgetProblems(ctx, ids); err != nil || l.Engine == nil {
		return err
	}
	return l.Engine.Updated(ctx, ids)
}

// forgetTokens drops what was made of an agreement.
func (l *Local) forgetTokens(m store.Mailbox) {
	if l.Keeper != nil {
		l.Keeper.Forget(m.Domain, m.Side, m.Login)
	}
}

// ForgetConsent implements control.Backend. What the provider can't be told is forgotten all the same.
func (l *Local) ForgetConsent(ctx context.Context, q control.SignInQuery) (told bool, err error) {
	server, err := l.signInServer(q)
	if err != nil {
		return false, err
	}
	m := store.Mailbox{Domain: server.SignIn.Domain, Side: store.Side(server.SignIn.Side), Login: q.Mailbox}
	release, err := l.Store.HoldConsent(ctx, m) // what is being exchanged is known to nobody yet
	if err != nil {
		return false, err
	}
	defer release()
	agreed, err := l.Store.Consent(ctx, m)
	if errors.Is(err, store.ErrNotFound) {
		return false, control.UsageError(fmt.Errorf("the owner of %q has not agreed to anything", q.Mailbox))
	}
	if err != nil {
		return false, err
	}
	told, failed := l.connector().Revoke(ctx, server, agreed)
	if failed != nil {
		l.Log.Warn().Err(failed).Str("account", q.Mailbox).Msg("the provider can't be told that an agreement has ended")
	}
	if err := l.Store.DeleteConsent(ctx, m); err != nil {
		return told, err
	}
	l.forgetTokens(m)
	return told, l.noter().ForgotConsent(ctx, m)
}

// summed is an error in words for the person at the screen, where it has such.
func summed(err error) error {
	var e interface{ Summary() reason.Reason }
	if errors.As(err, &e) {
		return errors.New(e.Summary().String())
	}
	return err
}
