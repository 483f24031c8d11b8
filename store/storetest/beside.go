package storetest

import (
	"context"
	"sync"

	"postferry/store"
)

// Beside is a store beside whose user somebody else writes, once: before the user's first
// call about accounts, before its second, and so on. A test runs its scenario with one moment
// after another:
//
//	for moment, more := 0, true; more; moment++ {
//		b := storetest.NewBeside(st, moment, write)
//		... // works with b
//		more = b.End()
//		... // looks at st
//	}
type Beside struct {
	store.Store

	mu    sync.Mutex
	left  int    // calls before the write
	write func() // nil once it was done
}

// NewBeside makes a store for a scenario. write works with st itself.
func NewBeside(st store.Store, moment int, write func()) *Beside {
	return &Beside{Store: st, left: moment, write: write}
}

// step comes before each call.
func (b *Beside) step() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left == 0 {
		b.write()
		b.write = nil
	}
	b.left--
}

// End lets the other write now, if it has not, and says whether there may be later moments.
func (b *Beside) End() (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.write == nil {
		return true
	}
	b.write()
	return false
}

func (b *Beside) PutAccounts(ctx context.Context, accounts []store.Account) ([]store.Account, []store.AccountPut, error) {
	b.step()
	return b.Store.PutAccounts(ctx, accounts)
}

func (b *Beside) PutEnrolled(ctx context.Context, a store.Account, at *store.Domain) (store.Account, error) {
	b.step()
	return b.Store.PutEnrolled(ctx, a, at)
}

func (b *Beside) SetCredentials(ctx context.Context, id store.AccountID, c store.CredentialChange) (store.CredentialFields, error) {
	b.step()
	return b.Store.SetCredentials(ctx, id, c)
}

func (b *Beside) LearnPassword(ctx context.Context, id store.AccountID, was store.Credentials, password store.Secret) (bool, error) {
	b.step()
	return b.Store.LearnPassword(ctx, id, was, password)
}

func (b *Beside) Account(ctx context.Context, login string) (store.Account, error) {
	b.step()
	return b.Store.Account(ctx, login)
}

func (b *Beside) AccountByID(ctx context.Context, id store.AccountID) (store.Account, error) {
	b.step()
	return b.Store.AccountByID(ctx, id)
}

func (b *Beside) Accounts(ctx context.Context) ([]store.Account, error) {
	b.step()
	return b.Store.Accounts(ctx)
}

func (b *Beside) Overview(ctx context.Context, domain string) ([]store.Overview, error) {
	b.step()
	return b.Store.Overview(ctx, domain)
}

func (b *Beside) SetProblem(ctx context.Context, id store.AccountID, p *store.Problem) error {
	b.step()
	return b.Store.SetProblem(ctx, id, p)
}

func (b *Beside) ForgetProblems(ctx context.Context, ids []store.AccountID) error {
	b.step()
	return b.Store.ForgetProblems(ctx, ids)
}

func (b *Beside) SetState(ctx context.Context, id store.AccountID, s store.State) error {
	b.step()
	return b.Store.SetState(ctx, id, s)
}

func (b *Beside) MoveStates(ctx context.Context, ids []store.AccountID, from []store.State, to store.State) ([]store.AccountID, error) {
	b.step()
	return b.Store.MoveStates(ctx, ids, from, to)
}
