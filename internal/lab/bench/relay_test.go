package bench

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/internal/lab/light"
)

// relayClientsEnv names how many clients BenchmarkRelays connects; none leaves idle clients and logins out.
const relayClientsEnv = "RELAY_CLIENTS"

// BenchmarkRelays puts relays between clients and a light server, one at a time, and prints what each
// costs: logins, memory of idle clients, mail that passes, round trips.
func BenchmarkRelays(b *testing.B) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv(relayClientsEnv), "1000"))
	if err != nil || n < 0 {
		b.Fatalf("%s=%q is no number of clients", relayClientsEnv, os.Getenv(relayClientsEnv))
	}
	servers := startRelayServers(b)
	all := []*relayed{
		{name: "none", addr: fmt.Sprintf("127.0.0.1:%d", servers.tls.Server().Port)},
		servers.bare(b), servers.postferry(b, false), servers.postferry(b, true), servers.nginx(b), servers.dovecot(b), servers.haproxy(b),
	}
	all = slices.DeleteFunc(all, func(r *relayed) bool { return r == nil })
	results := make([]figures, len(all))
	for b.Loop() {
		rates, cpus, rounds, roundCPUs := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
		for range 5 { // what disturbs the machine disturbs all of them
			for i, r := range all {
				rate, cpu := r.fetch(b)
				rates[i], cpus[i] = append(rates[i], rate), append(cpus[i], cpu)
				round, used := r.rounds(b)
				rounds[i], roundCPUs[i] = append(rounds[i], round), append(roundCPUs[i], used)
			}
		}
		for i, r := range all {
			f := figures{throughput: fmt.Sprintf("%.0f", middle(rates[i])), round: fmt.Sprintf("%.0f", middle(rounds[i]))}
			if len(r.pids) > 0 {
				f.cpu, f.roundCPU = fmt.Sprintf("%.2f", middle(cpus[i])), fmt.Sprintf("%.0f", middle(roundCPUs[i]))
			}
			if n > 0 {
				f.logins, f.memory = r.idle(b, n)
			}
			results[i] = f
		}
	}
	b.Logf("%d idle clients; load at the end: %s", n, load())
	b.Log("| relay | logins/s | KB an idle client | MB/s | CPU s/GB | NOOP, µs | CPU µs | |")
	for i, r := range all {
		b.Log(results[i].row(r))
	}
}

// middle of some figures, which it sorts.
func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// load is how busy the machine is.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "not known"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// relayClient is a client that is logged in.
type relayClient struct {
	conn *tls.Conn
	r    *bufio.Reader
}

// logIn connects and logs in.
func (r *relayed) logIn(i, buffer int) (*relayClient, error) {
	conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	c := &relayClient{conn, bufio.NewReaderSize(conn, buffer)}
	if _, err := c.r.ReadString('\n'); err != nil {
		return nil, err
	}
	return c, c.ask(fmt.Sprintf("l LOGIN user%d@example.com pw\r\n", i), "l OK")
}

// ask sends a line and reads up to the line that begins with want.
func (c *relayClient) ask(line, want string) error {
	if _, err := io.WriteString(c.conn, line); err != nil {
		return err
	}
	for {
		got, err := c.r.ReadString('\n')
		if err != nil || strings.HasPrefix(got, want) {
			return err
		}
		if !strings.HasPrefix(got, "*") && !strings.HasPrefix(got, "+") {
			return fmt.Errorf("%q instead of %s", got, want)
		}
	}
}

// fetched is how many messages are fetched at once.
const fetched = 2000

// fetch is how many MB of mail pass in a second, and what CPU time a GB takes.
func (r *relayed) fetch(b *testing.B) (rate, cpu float64) {
	b.Helper()
	c, err := r.logIn(1, 1<<18)
	if err != nil {
		b.Fatal(r.name, err)
	}
	defer c.conn.Close()
	used, began := lab.CPUTimeOf(r.pids...), time.Now()
	total, err := c.fetchAll()
	if err != nil {
		b.Fatal(r.name, err)
	}
	took := time.Since(began).Seconds()
	return float64(total) / 1e6 / took, (lab.CPUTimeOf(r.pids...) - used).Seconds() / (float64(total) / 1e9)
}

func (c *relayClient) fetchAll() (total int, err error) {
	fmt.Fprintf(c.conn, "f FETCH 1:%d BODY.PEEK[]\r\n", fetched)
	for {
		line, err := c.r.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "f OK") {
			return total, err
		}
		if strings.HasPrefix(line, "* ") {
			n, err := c.r.Discard(len(light.Message))
			total += n
			if err != nil {
				return total, err
			}
		}
	}
}

// roundTrips is how many are measured.
const roundTrips = 3000

// rounds is how long a NOOP takes, and what CPU time, in microseconds.
func (r *relayed) rounds(b *testing.B) (took, cpu float64) {
	b.Helper()
	c, err := r.logIn(2, 4096)
	if err != nil {
		b.Fatal(r.name, err)
	}
	defer c.conn.Close()
	used, began := lab.CPUTimeOf(r.pids...), time.Now()
	for range roundTrips {
		if err := c.ask("n NOOP\r\n", "n OK"); err != nil {
			b.Fatal(r.name, err)
		}
	}
	return float64(time.Since(began).Microseconds()) / roundTrips, float64((lab.CPUTimeOf(r.pids...) - used).Microseconds()) / roundTrips
}

// idle connects n clients, eight at a time: how many a second that were, and what each costs in memory
// when they idle.
func (r *relayed) idle(b *testing.B, n int) (logins, memory string) {
	b.Helper()
	before, began := lab.ResidentOf(r.pids...), time.Now()
	clients := make([]*relayClient, n)
	var wg sync.WaitGroup
	var failed sync.Map
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				c, err := r.logIn(i, 512)
				if err == nil {
					_, err = io.WriteString(c.conn, "i IDLE\r\n")
				}
				if err == nil {
					_, err = c.r.ReadString('\n')
				}
				if err != nil {
					failed.Store(i, err)
					return
				}
				clients[i] = c
			}
		})
	}
	wg.Wait()
	failed.Range(func(i, err any) bool { b.Errorf("%s: client %v: %v", r.name, i, err); return true })
	took := time.Since(began)
	<-time.After(time.Second)
	if len(r.pids) > 0 {
		memory = fmt.Sprintf("%.1f", float64(lab.ResidentOf(r.pids...)-before)/1024/float64(n))
	}
	for _, c := range clients {
		if c != nil {
			c.conn.Close()
		}
	}
	return fmt.Sprintf("%.0f", float64(n)/took.Seconds()), memory
}
