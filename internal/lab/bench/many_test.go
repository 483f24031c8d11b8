package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/errgroup"

	"postferry/internal/lab"
)

// benchMany copies 50 accounts at once, against as much mail in one account; what
// a bare loop makes of the same tells the servers' part in the difference. Once more
// it looks all the time whether an account is left waiting.
func benchMany(b *testing.B, t *table, binary string) {
	const accounts, each = 50, 500
	y := newYard(b, parts, lab.Generate(1, accounts*each, 8<<10), 0, 0)
	var users []lab.User
	for i := range accounts {
		users = append(users, lab.User{Login: fmt.Sprintf("user%d@example.com", i), Password: password})
	}
	y.old.AddUser(users...)
	msgs := lab.Generate(2, each, 8<<10)
	for _, u := range users {
		y.old.FillMaildir(u.Login, "INBOX", msgs)
		y.old.Open(u.Login, "INBOX")
	}
	for b.Loop() {
		var all, one, bareAll, bareOne []float64
		for range rounds {
			single := y.run(b, contender{"one account", byPostferry(binary)})
			many := y.many(b, binary, users, each, nil)
			b.Logf("%-12s %s", "one account", single)
			b.Logf("%-12s %s", "50 accounts", many)
			one, all = append(one, single.rate()), append(all, many.rate())
			bareOne = append(bareOne, y.run(b, contender{"ceiling", byCeiling(pairs)}).rate())
			bareAll = append(bareAll, y.manyBare(b, users, each, nil))
		}
		var w, bareWaits waits
		y.many(b, binary, users, each, &w)
		y.manyBare(b, users, each, &bareWaits)
		ratio, bare := median(all)/median(one), median(bareAll)/median(bareOne)
		t.add("50 accounts at once, a connection to each server each, against one account", "not below its best", ratio >= 1,
			"%.2f x (%.0f / %.0f messages/s; the bare loop %.2f x)", ratio, median(all), median(one), bare)
		worst := max(w.first, w.next)
		t.add("an account among 50 waits, of the time that all take", "not starved: at most half", worst <= w.all/2,
			"%.0f %% for its first message, %.0f %% for the next one (the bare loop %.0f %%, %.0f %%)",
			percent(w.first, w.all), percent(w.next, w.all), percent(bareWaits.first, bareWaits.all), percent(bareWaits.next, bareWaits.all))
	}
}

// fresh makes as many new users for a copy of users.
func (y *yard) fresh(users []lab.User) (targets []lab.User) {
	for range users {
		y.targets++
		targets = append(targets, lab.User{Login: fmt.Sprintf("target%d@example.com", y.targets), Password: password})
	}
	y.new.AddUser(targets...)
	return targets
}

// many copies all users into new ones. Into w, unless it is nil, goes how long they
// waited; looking costs time.
func (y *yard) many(b *testing.B, binary string, users []lab.User, each int, w *waits) run {
	b.Helper()
	targets := y.fresh(users)
	var lines []string
	for i, u := range users {
		lines = append(lines, strings.Join([]string{u.Login, password, targets[i].Login, password}, " "))
	}
	// A quarter of the connections is kept for visits.
	f := newFerry(b, binary, y.from, y.to, lines, "old_connections = 67", "new_connections = 67")
	looked := y.look(b, targets, each, w)
	old, new := y.old.CPUTime(), y.new.CPUTime()
	u := f.sync()
	looked()
	y.allArrived(b, targets, each)
	return run{usage: u, messages: len(users) * each, old: y.old.CPUTime() - old, new: y.new.CPUTime() - new}
}

// look is watch beside what the caller does until it calls the function returned.
func (y *yard) look(b *testing.B, users []lab.User, each int, w *waits) (end func()) {
	if w == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { *w = y.watch(ctx, users, each) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// manyBare is many by the bare loop.
func (y *yard) manyBare(b *testing.B, users []lab.User, each int, w *waits) float64 {
	b.Helper()
	targets := y.fresh(users)
	defer y.look(b, targets, each, w)()
	began := time.Now()
	var g errgroup.Group
	for i, u := range users {
		folder := make(chan string, 1)
		folder <- "INBOX"
		close(folder)
		g.Go(func() error {
			return copyBare(side{y.from, u.Login, password, nil}, side{y.to, targets[i].Login, password, nil}, folder)
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	y.allArrived(b, targets, each)
	return float64(len(users)*each) / took.Seconds()
}

// allArrived fails unless each user has all messages of an inbox.
func (y *yard) allArrived(b *testing.B, users []lab.User, each int) {
	b.Helper()
	for _, u := range users {
		c := y.new.Client(u.Login)
		data, err := c.Status("INBOX", &imap.StatusOptions{NumMessages: true}).Wait()
		if err != nil || int(*data.NumMessages) != each {
			b.Fatalf("%s: %+v messages of %d, %v", u.Login, data, each, err)
		}
		c.Close()
	}
}

// waits are how long accounts waited at most: for their first message and then for the
// next; and how long all of them took together.
type waits struct{ first, next, all time.Duration }

func percent(part, of time.Duration) float64 { return 100 * part.Seconds() / max(of.Seconds(), 0.001) }

// watch looks at the users' mailboxes until all messages are there.
func (y *yard) watch(ctx context.Context, users []lab.User, each int) (w waits) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	have, since := make([]int, len(users)), make([]time.Time, len(users))
	for {
		missing := false
		for i, u := range users {
			if have[i] == each {
				continue
			}
			missing = true
			files, _ := filepath.Glob(filepath.Join(y.new.UserDir(u.Login), "mail/mailboxes/INBOX/dbox-Mails/u.*")) //nolint:errcheck // the pattern is well-formed
			now := time.Now()
			switch {
			case len(files) == have[i]:
			case have[i] == 0:
				w.first = max(w.first, now.Sub(began))
			default:
				w.next = max(w.next, now.Sub(since[i]))
			}
			if len(files) != have[i] {
				have[i], since[i] = len(files), now
			}
		}
		if w.all = time.Since(began); !missing {
			return w
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return w
		}
	}
}
