package verify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"postferry/config"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/compare"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// progressInterval is how often a verification tells how far it is.
const progressInterval = 300 * time.Millisecond

// Verification compares what the two servers have. It only reads: both are
// asked with EXAMINE and BODY.PEEK on sessions that can't write, and the store
// is not written to either.
//
// Whether a message is there is told by the servers alone. Of the store it uses
// the folders' rows, as people rename folders on the new server, and the
// quarantine and the ledger of folders in which something is missing, to say why.
type Verification struct {
	Config *config.Config
	Store  Store
	Log    zerolog.Logger
	// SignIns is what to sign in with where a domain has a way to; nil for none.
	SignIns session.SignIns
	// Bodies reads all messages whole and compares their SHA-256. Without it
	// two messages are the same if their sizes and header fields (Message-ID,
	// Date, From, Sender, Subject) are; if only the sizes differ, the bodies are
	// read and compared but for their line ends, which servers count differently.
	Bodies bool
	// Tell is called with all that is found, one call at a time. An error ends
	// the verification.
	Tell func(report.VerifyEvent) error
}

// Run verifies the accounts given, or all that are not finished if none are.
// An account that can't be verified is told as such and stops nothing else.
// Memory: 100 octets for each message of the folders being compared, at most
// four at a time.
func (v Verification) Run(ctx context.Context, ids []store.AccountID) error {
	accounts, err := compare.ChooseAccounts(ctx, v.Store, ids)
	if err != nil {
		return err
	}
	r := &verifying{Verification: v, progress: report.VerifyProgress{Of: len(accounts)}}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, min(compare.AtOnce, v.Config.Sync.OldConnections, v.Config.Sync.NewConnections)))
	for _, a := range accounts {
		g.Go(func() error {
			if gctx.Err() != nil {
				return gctx.Err()
			}
			return r.account(gctx, a.ID)
		})
	}
	return g.Wait()
}

// verifying is a Verification under way.
type verifying struct {
	Verification
	mu       sync.Mutex
	progress report.VerifyProgress
	told     time.Time // when progress was
}

func (r *verifying) tell(e report.VerifyEvent) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Tell(e)
}

// tick counts something read and says how far all is, now and then.
func (r *verifying) tick(login, folder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Messages++
	if time.Since(r.told) < progressInterval {
		return
	}
	r.told = time.Now()
	p := r.progress
	p.Login, p.Folder = login, folder
	_ = r.Tell(report.VerifyEvent{Progress: &p}) // who has gone is noticed with the next finding
}

// account verifies one account. Its error ends everything: ctx, the store or Tell.
func (r *verifying) account(ctx context.Context, id store.AccountID) error {
	row, err := r.Store.AccountByID(ctx, id)
	if err != nil {
		return err
	}
	c := &accountCheck{
		run: r, row: row, log: r.Log.With().Str("account", row.Login).Logger(),
		result: report.VerifiedAccount{Login: row.Login, Found: report.FindingCounts{}},
	}
	err = c.check(ctx)
	c.pair.Close(ctx)
	if _, ok := errors.AsType[*link.Error](err); ok && ctx.Err() == nil {
		c.log.Warn().Err(err).Msg("the account could not be verified")
		c.result.Trouble, c.result.Cause = problem.Of(err, "", 1), err.Error()
		c.result.Problem = c.result.Trouble.Summary
		err = nil
	}
	if err != nil {
		return err
	}
	c.result.Worst = c.result.Found.Worst()
	if err := r.note(ctx, &row, &c.result); err != nil {
		return err
	}
	r.mu.Lock()
	r.progress.Accounts++
	r.mu.Unlock()
	return r.tell(report.VerifyEvent{Account: &c.result})
}

// note keeps what came of an account: by it people see later whether the old server may be
// switched off.
func (r *verifying) note(ctx context.Context, row *store.Account, a *report.VerifiedAccount) error {
	if row.State == store.Finished {
		return nil // it was verified before
	}
	v := store.Verified{When: time.Now().UTC(), Bodies: r.Bodies, Unread: a.Problem != "", Damage: a.Found.Of(report.Damage), Doubtful: a.Found.Of(report.Doubtful)}
	return r.Store.NoteVerified(ctx, row.ID, v)
}
