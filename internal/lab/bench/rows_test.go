package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/errgroup"

	"postferry/internal/lab"
)

// benchRepeat makes passes over 200 folders in which nothing changed.
func benchRepeat(b *testing.B, t *table, binary string) {
	for _, rtt := range []time.Duration{0, far} {
		b.Run(fmt.Sprintf("%v", rtt), func(b *testing.B) {
			from, to, lines := newSides(b, func(old *lab.Dovecot) {
				for i := range 200 {
					old.FillMaildir(source, fmt.Sprintf("Folder%d", i), lab.Generate(uint64(i), 5, 1000))
				}
			})
			f := newFerry(b, binary, from.addr, to.addr, []string{from.login + " " + password})
			mbsyncTo := to
			mbsyncTo.login = other
			dir := b.TempDir()
			f.sync()
			if rtt == 0 {
				mbsync(b, dir, from, mbsyncTo)
			}
			for _, l := range lines {
				l.Set(rtt / 2)
			}
			for b.Loop() {
				var ours, theirs []float64
				for range rounds {
					if rtt == 0 { // far away it takes a minute
						theirs = append(theirs, mbsync(b, dir, from, mbsyncTo).wall.Seconds())
					}
					ours = append(ours, f.sync().wall.Seconds())
				}
				mine := median(ours)
				if rtt == 0 {
					their := median(theirs)
					t.add("repeat pass, 200 folders, nothing changed, near", "not slower than mbsync", mine <= their, "%.0f ms / %.0f ms", 1000*mine, 1000*their)
				} else {
					trips := mine / rtt.Seconds()
					t.add("repeat pass, 200 folders, nothing changed, both 100 ms away", "at most 5 round trips", trips <= 5, "%.2f round trips, with the start of the program", trips)
				}
			}
		})
	}
}

const other = "other@example.com"

// newSides are two servers with users that have the same login on both, the old one
// filled, and the lines to them, without a delay yet.
func newSides(b *testing.B, fill func(old *lab.Dovecot)) (from, to side, lines []*lab.Delay) {
	b.Helper()
	users := []lab.User{{Login: source, Password: password}, {Login: other, Password: password}}
	old := lab.StartDovecot(b, lab.DovecotOptions{Users: users})
	nu := lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox", Users: users})
	fill(old)
	lines = []*lab.Delay{lab.DelayLine(b, old.IMAP, 0), lab.DelayLine(b, nu.IMAP, 0)}
	return side{lines[0].Addr, source, password, nil}, side{lines[1].Addr, source, password, nil}, lines
}

// benchOneNew makes passes that find one new message in folders of very different
// size, on old servers that keep a file for each message and those that have an index.
func benchOneNew(b *testing.B, t *table, binary string) {
	for _, format := range []string{"maildir", "sdbox"} {
		took := map[int]usage{}
		for _, n := range []int{2_000, 200_000} {
			b.Run(fmt.Sprintf("%s/%d", format, n), func(b *testing.B) { took[n] = oneNew(b, binary, format, n) })
		}
		small, large := took[2_000], took[200_000]
		if small.cpu == 0 || large.cpu == 0 {
			continue
		}
		t.add("repeat pass, 1 new message among 2,000 / 200,000, old server with "+format, "the same cost", large.cpu < small.cpu+20*time.Millisecond,
			"CPU %d ms / %d ms (%d ms / %d ms until the end, of which the old server's CPU %d ms / %d ms)",
			small.cpu.Milliseconds(), large.cpu.Milliseconds(), small.wall.Milliseconds(), large.wall.Milliseconds(),
			small.server.Milliseconds(), large.server.Milliseconds())
	}
}

// oneNew is what a pass takes that finds one message more among n.
func oneNew(b *testing.B, binary, format string, n int) usage {
	users := []lab.User{{Login: source, Password: password}}
	old := lab.StartDovecot(b, lab.DovecotOptions{Users: users, Format: format})
	nu := lab.StartDovecot(b, lab.DovecotOptions{Users: users, Format: "sdbox"})
	deliver := func(msgs []lab.Msg) { old.FillMaildir(source, "INBOX", msgs) }
	if format != "maildir" {
		deliver = func(msgs []lab.Msg) { pourInto(b, old, msgs) }
	}
	deliver(lab.Generate(1, n, 512))
	old.Open(source, "INBOX")
	f := newFerry(b, binary, old.IMAP, nu.IMAP, []string{source + " " + password})
	f.sync()
	var all []usage
	for b.Loop() {
		for i := range rounds {
			deliver(lab.Generate(uint64(100+i), 1, 512))
			old.Open(source, "INBOX") // what the server does about a new file is not ours
			before := old.CPUTime()
			u := f.sync()
			u.server = old.CPUTime() - before
			if !strings.Contains(u.output, "1 complete, 0 incomplete; 1 message copied") {
				b.Fatalf("not one message was copied:\n%s", u.output)
			}
			all = append(all, u)
		}
	}
	middle := func(of func(usage) time.Duration) time.Duration {
		var values []float64
		for _, u := range all {
			values = append(values, of(u).Seconds())
		}
		return seconds(median(values))
	}
	return usage{
		cpu:    middle(func(u usage) time.Duration { return u.cpu }),
		wall:   middle(func(u usage) time.Duration { return u.wall }),
		server: middle(func(u usage) time.Duration { return u.server }),
	}
}

// pourInto brings messages into the INBOX of a server whose files only it can write.
func pourInto(b *testing.B, to *lab.Dovecot, msgs []lab.Msg) {
	b.Helper()
	from := lab.StartDovecot(b, lab.DovecotOptions{Users: []lab.User{{Login: source, Password: password}}})
	from.FillMaildir(source, "INBOX", msgs)
	byCeiling(1)(b, side{from.IMAP, source, password, nil}, side{to.IMAP, source, password, nil}, []string{"INBOX"})
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// withoutMulti is all that Dovecot announces but MULTIAPPEND.
const withoutMulti = "imap_capability = IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT CHILDREN NAMESPACE UIDPLUS " +
	"LIST-EXTENDED CONDSTORE QRESYNC ESEARCH LIST-STATUS MOVE LITERAL+ SPECIAL-USE UNSELECT\n"

// benchFolders copies an account with many small folders: what it takes to go from
// one to the next.
func benchFolders(b *testing.B, t *table, binary string) {
	y := newYard(b, 40, lab.Generate(1, 400, 4<<10), far, far)
	for b.Loop() {
		runs := y.race(b, contender{"postferry", byPostferry(binary)}, contender{"mbsync", copyMbsync}, contender{"ceiling", byCeiling(pairs)})
		ours, theirs, ceiling := rate(runs["postferry"]), rate(runs["mbsync"]), rate(runs["ceiling"])
		t.add("40 folders of 10 messages, both 100 ms away, against mbsync", "at least 3 x", ours/theirs >= 3,
			"%.1f x (%.0f / %.0f messages/s), %.0f %% of the ceiling", ours/theirs, ours, theirs, 100*ours/ceiling)
	}
}

// benchNewFolders copies an account with many small folders to a server that has none of them,
// as in life.
func benchNewFolders(b *testing.B, t *table, binary string) {
	for _, c := range []struct {
		name string
		rtt  time.Duration
		goal float64 // seconds; 0: a third of what mbsync takes
	}{{"near", 0, 0}, {"both 100 ms away", far, 3}} {
		b.Run(c.name, func(b *testing.B) {
			y := newYard(b, 200, lab.Generate(1, 1000, 4<<10), c.rtt, c.rtt)
			y.unmade = true
			for b.Loop() {
				runs := y.race(b, contender{"postferry", byPostferry(binary)}, contender{"mbsync", copyMbsync})
				ours, theirs := rate(runs["postferry"]), rate(runs["mbsync"])
				took, target := float64(y.count)/ours, "at least 3 x"
				met := ours/theirs >= 3
				if c.goal > 0 {
					target, met = fmt.Sprintf("%.0f s", c.goal), took <= c.goal
				}
				t.add("200 folders of 5 messages that have to be made, "+c.name+", against mbsync", target, met,
					"%.2f s, %.1f x; CPU %.2f s / %.2f s", took, ours/theirs, work(runs["postferry"]).Seconds(), work(runs["mbsync"]).Seconds())
			}
		})
	}
}

// benchMaildir copies many small messages into one folder of a server with maildirs, which pays for each command
// in proportion to what the folder has.
func benchMaildir(b *testing.B, t *table, binary string) {
	y := &yard{
		old: lab.StartDovecot(b, lab.DovecotOptions{Users: []lab.User{{Login: source, Password: password}}}),
		new: lab.StartDovecot(b, lab.DovecotOptions{}),
	}
	msgs := lab.Generate(1, 30_000, 512)
	y.count, y.from, y.to = len(msgs), y.old.IMAP, y.new.IMAP
	y.fill(1, msgs)
	for b.Loop() {
		runs := y.race(b, contender{"postferry", byPostferry(binary)}, contender{"mbsync", copyMbsync}, contender{"ceiling", byCeiling(1)})
		ours, theirs, ceiling := rate(runs["postferry"]), rate(runs["mbsync"]), rate(runs["ceiling"])
		t.add("30,000 messages of 512 octets into one maildir, against mbsync", "at least 3 x", ours/theirs >= 3,
			"%.1f x (%.0f / %.0f messages/s), %.0f %% of the bare loop with batches of 100", ours/theirs, ours, theirs, 100*ours/ceiling)
	}
}

// benchSingle copies to a server that takes one message at a time.
func benchSingle(b *testing.B, t *table, binary string) {
	y := newYard(b, parts, lab.Generate(1, 2000, 8<<10), far, far, withoutMulti)
	few := &yard{old: y.old, new: y.new, from: y.from, to: y.to, folders: y.folders, count: 25, targets: 1000}
	for b.Loop() {
		var ours, theirs []float64
		for range rounds {
			theirs = append(theirs, few.run(b, contender{"one at a time", copyOneByOne}).rate())
			ours = append(ours, y.run(b, contender{"postferry", byPostferry(binary)}).rate())
		}
		ratio := median(ours) / median(theirs)
		t.add("without MULTIAPPEND, both 100 ms away, against a loop one at a time", "at least 20 x", ratio >= 20, "%.0f x (%.0f / %.1f messages/s)", ratio, median(ours), median(theirs))
	}
}

// copyOneByOne fetches and appends 25 messages, each after the other has arrived.
func copyOneByOne(b *testing.B, old, new side, _ []string) usage {
	began := time.Now()
	from, err := login(old)
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	to, err := login(new)
	if err != nil {
		b.Fatal(err)
	}
	defer to.Close()
	err = from.command("x EXAMINE INBOX\r\n")
	if err == nil {
		err = from.await("x")
	}
	for i := 1; i <= 25 && err == nil; i++ {
		if err = from.command("fetch UID FETCH %d (FLAGS INTERNALDATE BODY.PEEK[])\r\n", i); err == nil {
			err = pour(from, to, "fetch ", "INBOX")
		}
		if err == nil {
			err = to.await("append")
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	return usage{wall: time.Since(began)}
}

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

// benchMemory looks at what the process has resident at most, with the
// configuration as it comes.
func benchMemory(b *testing.B, t *table, binary string) {
	b.Run("large", func(b *testing.B) {
		from, to, _ := newSides(b, func(old *lab.Dovecot) {
			msgs := lab.Generate(1, 2000, 8<<10)
			msgs[1000] = lab.Generate(2, 1, 100<<20)[0]
			old.FillMaildir(source, "INBOX", msgs)
			old.FillMaildir(source, "Mixed", lab.Mixed(1, 1000))
		})
		for b.Loop() {
			u := newFerry(b, binary, from.addr, to.addr, []string{from.login + " " + password}).sync()
			t.add("peak memory, one account with a message of 100 MB", "at most 64 MB", u.memory <= 64<<20, "%d MB", u.memory>>20)
		}
	})
	b.Run("accounts", func(b *testing.B) {
		var lines []string
		from, to, _ := newSides(b, func(*lab.Dovecot) {})
		old, nu := lab.StartDovecot(b, lab.DovecotOptions{}), lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox"})
		from.addr, to.addr = old.IMAP, nu.IMAP
		var users []lab.User
		for i := range 100 {
			users = append(users, lab.User{Login: fmt.Sprintf("user%d@example.com", i), Password: password})
			lines = append(lines, users[i].Login+" "+password)
		}
		old.AddUser(users...)
		nu.AddUser(users...)
		msgs := lab.Mixed(1, 100)
		for _, u := range users {
			old.FillMaildir(u.Login, "INBOX", msgs)
		}
		for b.Loop() {
			u := newFerry(b, binary, from.addr, to.addr, lines).sync()
			t.add("peak memory, 100 accounts", "at most 256 MB", u.memory <= 256<<20, "%d MB", u.memory>>20)
		}
	})
}

// benchFirst waits for the first figures of a folder of 500,000 messages.
func benchFirst(b *testing.B, t *table, binary string) {
	const n = 500_000 // messages
	from, to, _ := newSides(b, func(old *lab.Dovecot) {
		msg := lab.Generate(1, 1, 512)[0]
		msgs := make([]lab.Msg, n)
		for i := range msgs {
			msgs[i] = msg
		}
		old.FillMaildir(source, "INBOX", msgs)
		old.Open(source, "INBOX")
	})
	for b.Loop() {
		var began, waits, servers []float64
		for range rounds {
			f := newFerry(b, binary, from.addr, to.addr, []string{from.login + " " + password})
			trace := filepath.Join(b.TempDir(), "trace")
			began = append(began, firstFigures(b, f, trace, ": started").Seconds())
			f = newFerry(b, binary, from.addr, to.addr, []string{from.login + " " + password})
			waits = append(waits, firstFigures(b, f, trace+"2", fmt.Sprintf("of %d messages", n)).Seconds())
			servers = append(servers, untilTold(b, trace+"2").Seconds())
			b.Logf("started after %.2f s, figures after %.2f s, told after %.2f s", began[len(began)-1], waits[len(waits)-1], servers[len(servers)-1])
		}
		t.add("first progress shown", "within 2 s", median(began) <= 2, "%.2f s", median(began))
		t.add("first figures of a folder of 500,000 messages", "within 2 s", median(waits) <= 2,
			"%.2f s, of which the server takes %.2f s to tell", median(waits), median(servers))
	}
}

// untilTold is how long the old server takes to tell how many messages there are, from
// the first connection on.
func untilTold(b *testing.B, trace string) time.Duration {
	b.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		b.Fatal(err)
	}
	var asked time.Time
	for line := range strings.Lines(string(text)) {
		when, rest, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339, when)
		if err != nil || !strings.Contains(rest, " "+source+" ") {
			continue
		}
		if asked.IsZero() && strings.Contains(rest, " connected") {
			asked = at
		}
		if strings.Contains(rest, "S: * STATUS") && !strings.Contains(rest, "MESSAGES 0") && strings.Contains(rest, "MESSAGES") {
			return at.Sub(asked)
		}
	}
	b.Fatal("the server never told")
	return 0
}

// firstFigures is when a sync has said something.
func firstFigures(b *testing.B, f *ferry, trace, text string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), f.binary, "sync", "-c", f.config, "--trace", trace)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var took time.Duration
	for in := bufio.NewScanner(out); in.Scan(); {
		if took == 0 && strings.Contains(in.Text(), text) {
			took = time.Since(began)
			_ = cmd.Process.Signal(os.Interrupt) // if it has ended, Wait tells
		}
	}
	_ = cmd.Wait() // interrupted
	if took == 0 {
		b.Fatalf("%q was never said", text)
	}
	return took
}
