package bench

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

var (
	messages = flag.Int("messages", 2000, "messages of 8 KB in the account to copy; a quarter as many mixed ones")
	rounds   = flag.Int("rounds", 3, "runs of each contender; the median counts")
	fsync    = flag.Bool("fsync", false, "let the new server sync to disk, as in production: measures the disk more than the copying")
)

const (
	password = "secret"
	source   = "source@example.com"
	parts    = 5 // folders the messages are spread over
)

// side is one end of a copy, as a contender sees it.
type side struct {
	addr     string // plain IMAP, host:port
	login    string
	password string
}

// contender copies everything from old to new, where nothing is yet, and
// returns when it is there.
type contender struct {
	name string
	copy func(b *testing.B, old, new side, folders []string)
}

var contenders = []contender{{"ceiling", copyBare}, {"mbsync", copyMbsync}}

// BenchmarkCopy reports for each contender the median messages per second and
// its ratio to the first one.
func BenchmarkCopy(b *testing.B) {
	for _, kind := range []struct {
		name     string
		generate func() []lab.Msg
	}{
		{"8KB", func() []lab.Msg { return lab.Generate(1, *messages, 8<<10) }},
		{"mixed", func() []lab.Msg { return lab.Mixed(1, *messages/4) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			y := newYard(b, kind.generate())
			for _, delay := range []time.Duration{0, 10 * time.Millisecond, 50 * time.Millisecond} {
				b.Run(fmt.Sprintf("roundtrip=%v", 2*delay), func(b *testing.B) {
					for b.Loop() {
						y.compare(b, delay)
					}
				})
			}
		})
	}
}

// yard is a filled old server and an empty new one, with a line to each.
type yard struct {
	old, new         *lab.Dovecot
	oldLine, newLine *lab.Delay
	folders          []string
	count            int
	targets          int // users of the new server so far
}

func newYard(b *testing.B, msgs []lab.Msg) *yard {
	b.Helper()
	y := &yard{count: len(msgs)}
	y.old = lab.StartDovecot(b, lab.DovecotOptions{Users: []lab.User{{Login: source, Password: password}}})
	y.new = lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox", Fsync: *fsync})
	for i := range parts {
		folder := "INBOX"
		if i > 0 {
			folder = fmt.Sprintf("Folder %d", i)
		}
		y.folders = append(y.folders, folder)
		y.old.FillMaildir(source, folder, msgs[i*len(msgs)/parts:(i+1)*len(msgs)/parts])
	}
	y.old.Open(source, y.folders...) // builds the indexes, as years of use have
	y.oldLine = lab.DelayLine(b, y.old.IMAP, 0)
	y.newLine = lab.DelayLine(b, y.new.IMAP, 0)
	return y
}

// compare lets all contenders run in turn, rounds times, over lines that take
// delay in each direction.
func (y *yard) compare(b *testing.B, delay time.Duration) {
	y.oldLine.Set(delay)
	y.newLine.Set(delay)
	speeds := make([][]float64, len(contenders))
	for range *rounds {
		for i, c := range contenders {
			speeds[i] = append(speeds[i], y.run(b, c))
		}
	}
	first := median(speeds[0])
	for i, c := range contenders {
		b.ReportMetric(median(speeds[i]), c.name+"-msg/s")
		if i > 0 {
			b.ReportMetric(median(speeds[i])/first, c.name+"/"+contenders[0].name)
		}
		b.Logf("%s: %.0f messages per second", c.name, speeds[i])
	}
	b.ReportMetric(0, "ns/op") // the time of all of them together says nothing
}

// run copies to a new user, never to an emptied one: deleting files just
// before makes the file system slow for half a minute. It returns messages per second.
func (y *yard) run(b *testing.B, c contender) float64 {
	b.Helper()
	y.targets++
	to := side{y.newLine.Addr, fmt.Sprintf("target%d@example.com", y.targets), password}
	y.new.AddUser(lab.User{Login: to.login, Password: password})
	y.new.Create(to.login, y.folders[1:]...)
	start := time.Now()
	c.copy(b, side{y.oldLine.Addr, source, password}, to, y.folders)
	took := time.Since(start)
	if n := y.arrived(b, to.login); n != y.count {
		b.Fatalf("%s copied %d of %d messages", c.name, n, y.count)
	}
	return float64(y.count) / took.Seconds()
}

func (y *yard) arrived(b *testing.B, login string) int {
	b.Helper()
	c := y.new.Client(login)
	defer c.Close()
	total := 0
	for _, folder := range y.folders {
		data, err := c.Status(folder, &imap.StatusOptions{NumMessages: true}).Wait()
		if err != nil {
			b.Fatal(err)
		}
		total += int(*data.NumMessages)
	}
	return total
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
