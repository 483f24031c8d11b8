package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

const (
	password = "secret"
	source   = "source@example.com"
	parts    = 5 // folders the messages are spread over
	rounds   = 3 // runs of each contender, in turn
	pairs    = 3 // connections to each server that an account is copied with
)

// side is one end of a copy, as a contender sees it.
type side struct {
	addr     string // host:port
	login    string
	password string
	ca       *lab.CA // who vouches for the server: it is spoken to by TLS; nil for plain IMAP
}

// copier copies everything from old to new, where nothing is yet but the
// folders, if those are, and returns when it is there.
type copier func(b *testing.B, old, new side, folders []string) usage

// contender is one that runs in a race.
type contender struct {
	name string
	copy copier
}

// yard is a filled old server and an empty new one, with a line to each.
type yard struct {
	old, new *lab.Dovecot
	from, to string // addresses
	folders  []string
	count    int
	targets  int     // users of the new server so far
	ca       *lab.CA // of both servers; nil for plain IMAP
	unmade   bool    // whoever copies makes the folders
}

// newYard fills an old server with msgs, spread evenly over so many folders.
func newYard(b *testing.B, parts int, msgs []lab.Msg, oldRTT, newRTT time.Duration, settings ...string) *yard {
	b.Helper()
	y := &yard{count: len(msgs)}
	y.old = lab.StartDovecot(b, lab.DovecotOptions{Users: []lab.User{{Login: source, Password: password}}})
	y.new = lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox", ExtraConfig: strings.Join(settings, "")})
	y.fill(parts, msgs)
	y.from, y.to = away(b, y.old.IMAP, oldRTT), away(b, y.new.IMAP, newRTT)
	return y
}

// newYardAsUsual has servers as people run them: with TLS, mail in files on a disk, and
// mail that is said to be stored only once it is there.
func newYardAsUsual(b *testing.B, parts int, msgs []lab.Msg) *yard {
	b.Helper()
	y := &yard{count: len(msgs), ca: lab.NewCA(b)}
	y.old = lab.StartDovecot(b, lab.DovecotOptions{Users: []lab.User{{Login: source, Password: password}}, CA: y.ca, Fsync: true})
	y.new = lab.StartDovecot(b, lab.DovecotOptions{CA: y.ca, Fsync: true})
	y.fill(parts, msgs)
	y.from, y.to = y.old.IMAPS, y.new.IMAPS
	return y
}

// fill spreads messages evenly over folders of the old server.
func (y *yard) fill(parts int, msgs []lab.Msg) {
	for i := range parts {
		folder := "INBOX"
		if i > 0 {
			folder = fmt.Sprintf("Folder %d", i)
		}
		y.folders = append(y.folders, folder)
		y.old.FillMaildir(source, folder, msgs[i*len(msgs)/parts:(i+1)*len(msgs)/parts])
	}
	y.old.Open(source, y.folders...) // builds the indexes, as years of use have
}

// away is an address at which a server is so far away; without a distance it
// is the server's own.
func away(b *testing.B, addr string, rtt time.Duration) string {
	b.Helper()
	if rtt == 0 {
		return addr
	}
	return lab.DelayLine(b, addr, rtt/2).Addr
}

// beforeEnv names another postferry binary, an earlier one, that runs in every race as well.
const beforeEnv = "SPEED_BEFORE"

// race lets contenders run in turn, rounds times. It returns the messages per
// second and, of those that are processes, the CPU time of each run.
func (y *yard) race(b *testing.B, contenders ...contender) map[string][]run {
	b.Helper()
	before := os.Getenv(beforeEnv)
	if before != "" {
		contenders = append(contenders, contender{"before", byPostferry(before)})
	}
	runs := map[string][]run{}
	for range rounds {
		for _, c := range contenders {
			r := y.run(b, c)
			b.Logf("%-10s %s", c.name, r)
			runs[c.name] = append(runs[c.name], r)
		}
	}
	for _, c := range contenders {
		b.ReportMetric(rate(runs[c.name]), c.name+"-msg/s")
	}
	if before != "" {
		b.ReportMetric(rate(runs["postferry"])/rate(runs["before"]), "times-before")
	}
	b.ReportMetric(0, "ns/op") // the time of all of them together says nothing
	return runs
}

// run is how a contender did.
type run struct {
	usage
	messages int
	old, new time.Duration // CPU of the servers
}

func (r run) String() string {
	return fmt.Sprintf("%6.0f msg/s in %.2f s; CPU %.2f s, old server %.2f s, new server %.2f s",
		r.rate(), r.wall.Seconds(), r.cpu.Seconds(), r.old.Seconds(), r.new.Seconds())
}

func (r run) rate() float64 { return float64(r.messages) / r.wall.Seconds() }

// run copies to a new user, never to an emptied one: deleting files just
// before makes the file system slow for half a minute.
func (y *yard) run(b *testing.B, c contender) run {
	b.Helper()
	y.targets++
	to := side{y.to, fmt.Sprintf("target%d@example.com", y.targets), password, y.ca}
	y.new.AddUser(lab.User{Login: to.login, Password: password})
	if !y.unmade {
		y.new.Create(to.login, y.folders[1:]...)
	}
	old, new := y.old.CPUTime(), y.new.CPUTime()
	u := c.copy(b, side{y.from, source, password, y.ca}, to, y.folders)
	r := run{usage: u, messages: y.count, old: y.old.CPUTime() - old, new: y.new.CPUTime() - new}
	if n := y.arrived(b, to.login); n != y.count {
		b.Fatalf("%s copied %d of %d messages\n%s", c.name, n, y.count, u.output)
	}
	return r
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

// rate is the median of the runs' messages per second.
func rate(runs []run) float64 {
	var rates []float64
	for _, r := range runs {
		rates = append(rates, r.rate())
	}
	return median(rates)
}

// work is the median of the runs' CPU time.
func work(runs []run) time.Duration {
	var seconds []float64
	for _, r := range runs {
		seconds = append(seconds, r.cpu.Seconds())
	}
	return time.Duration(median(seconds) * float64(time.Second))
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
