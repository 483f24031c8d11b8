package proxy

import (
	"cmp"
	"context"
	"strings"

	"postferry/store"
	"postferry/wire"
)

// account is that of the person whose mailbox the client has open, as far as is known.
func (r *relay) account() *store.Account { return r.owner.Load() }

// ferried reports whether the engine has anything to do for this client. If so, it has been told of it.
func (r *relay) ferried() bool { return ferried(r.account()) }

func ferried(a *store.Account) bool { return a.ID != 0 && a.State == store.Active }

// watched reports whether the engine is told what this client does to its folders.
func (r *relay) watched() bool {
	a := r.account()
	return a.ID != 0 && a.State != store.Finished
}

// concerns reports whether a command is about folders that the engine may have something to do with.
func concerns(v wire.Verb) bool {
	return opens(v) || asks(v) || v == wire.VerbCreate || v == wire.VerbDelete || v == wire.VerbRename
}

// meet finds out whether an account that was not known when the client logged in, or that nothing was to be copied for, is
// by now: clients stay for days, and the mailbox may be begun with meanwhile.
func (u *upload) meet(ctx context.Context) error {
	was := u.account()
	if was.State == store.Active || was.State == store.Finished {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, u.srv.cfg.Proxy.VisitWait)
	defer cancel()
	now, ok := u.srv.since(ctx, u.in.login, cmp.Or(was.New.Login, u.in.login))
	if !ok || now.ID == was.ID && now.State == was.State {
		return nil
	}
	u.owner.Store(&now)
	if !ferried(&now) {
		return nil
	}
	u.logger().Info().Uint64("id", uint64(now.ID)).Msg("the account has been begun since the login")
	err := u.passBefore()
	u.srv.ferry.Connected(ctx, now.ID)
	return err
}

// since is the account of a login now, if it is that of the mailbox that the new server knows by the login at.
func (s *Server) since(ctx context.Context, login, at string) (store.Account, bool) {
	domain, ok := s.cfg.DomainOf(login)
	if !ok {
		return store.Account{}, false
	}
	a, err := s.accounts.Account(ctx, login)
	if err != nil || !strings.EqualFold(a.Domain, domain.Name) || !strings.EqualFold(a.New.Login, at) {
		return store.Account{}, false
	}
	a.Old.Password, a.New.Password = "", "" // see welcome
	return a, true
}
