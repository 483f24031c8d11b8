package bench

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
