package syncer_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer"
)

// BenchmarkCopy copies one account between two real servers, by Postferry and by
// mbsync in turn, and reports both rates and their ratio (medians). Run it
// with -benchtime=3x or more, as machines are noisy.
func BenchmarkCopy(b *testing.B) {
	uniform := make([][]lab.Msg, 5)
	for i := range uniform {
		uniform[i] = lab.Generate(uint64(i+1), 2000, 8<<10)
	}
	mixed := [][]lab.Msg{lab.Mixed(9, 1000)}
	for _, c := range []struct {
		name     string
		folders  [][]lab.Msg
		old, new time.Duration // round trip to the server
	}{
		{"8K/near", uniform, 0, 0},
		{"8K/old-100ms", uniform, 100 * time.Millisecond, 0},
		{"8K/both-100ms", uniform, 100 * time.Millisecond, 100 * time.Millisecond},
		{"mixed/near", mixed, 0, 0},
		{"mixed/both-100ms", mixed, 100 * time.Millisecond, 100 * time.Millisecond},
	} {
		b.Run(c.name, func(b *testing.B) { copyRace(b, c.folders, c.old, c.new) })
	}
}

// track is what a race is run on.
type track struct {
	b        *testing.B
	old, new *lab.Dovecot
	from, to config.Server
	messages int
	runs     int
}

const benchPassword = "secret"

func copyRace(b *testing.B, folders [][]lab.Msg, oldRTT, newRTT time.Duration) {
	t := &track{b: b}
	t.old = lab.StartDovecot(b, lab.DovecotOptions{Users: []lab.User{{Login: "anna@example.com", Password: benchPassword}}})
	t.new = lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox"})
	for i, msgs := range folders {
		name := "INBOX"
		if i > 0 {
			name = fmt.Sprintf("Folder%d", i)
		}
		t.old.FillMaildir("anna@example.com", name, msgs)
		t.messages += len(msgs)
	}
	t.from = lab.At(t.old.Insecure(), lab.DelayLine(b, t.old.IMAP, oldRTT/2).Addr)
	t.to = lab.At(t.new.Insecure(), lab.DelayLine(b, t.new.IMAP, newRTT/2).Addr)
	t.mbsync() // the old server's indexes are built by whoever comes first
	var ours, theirs []float64
	b.ResetTimer()
	for range b.N {
		theirs = append(theirs, t.rate(t.mbsync()))
		ours = append(ours, t.rate(t.postferry()))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "postferry-msg/s")
	b.ReportMetric(median(theirs), "mbsync-msg/s")
	b.ReportMetric(median(ours)/median(theirs), "ratio")
}

func (t *track) rate(d time.Duration) float64 { return float64(t.messages) / d.Seconds() }

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// newcomer is a fresh account on the new server.
func (t *track) newcomer() string {
	t.runs++
	login := fmt.Sprintf("run%d@example.com", t.runs)
	t.new.AddUser(lab.User{Login: login, Password: benchPassword})
	return login
}

func (t *track) postferry() time.Duration {
	login := t.newcomer()
	cfg := config.Default()
	cfg.Domains = []config.Domain{{Name: "example.com", Old: t.from, New: t.to}}
	st, err := store.Open(t.b.TempDir(), store.Options{Command: "bench"})
	if err != nil {
		t.b.Fatal(err)
	}
	defer st.Close()
	_, _, err = st.PutAccounts(t.b.Context(), []store.Account{{
		Domain: "example.com", Login: login, Origin: store.Imported, State: store.Active,
		Old: store.Credentials{Login: "anna@example.com", Password: benchPassword},
		New: store.Credentials{Login: login, Password: benchPassword},
	}})
	if err != nil {
		t.b.Fatal(err)
	}
	engine, err := syncer.New(&cfg, st, zerolog.Nop())
	if err != nil {
		t.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Run(ctx, false)
	}()
	began := time.Now()
	results, err := engine.Sync(ctx, nil, nil)
	took := time.Since(began)
	cancel()
	<-ended
	if err != nil || len(results) != 1 || !results[0].Pass.Complete || int(results[0].Pass.Copied) != t.messages {
		t.b.Fatalf("pass: %v, %+v", err, results)
	}
	return took
}

func (t *track) mbsync() time.Duration {
	dir := t.b.TempDir()
	login := t.newcomer()
	store := func(name string, s config.Server, login string) string {
		host, port, _ := net.SplitHostPort(s.Address())
		return fmt.Sprintf("IMAPAccount %s\nHost %s\nPort %s\nUser %s\nPass %s\nSSLType None\nAuthMechs LOGIN\n\nIMAPStore %s\nAccount %s\n\n",
			name, host, port, login, benchPassword, name, name)
	}
	conf := store("old", t.from, "anna@example.com") + store("new", t.to, login) +
		"Channel all\nFar :old:\nNear :new:\nPatterns *\nCreate Near\nSync Pull\nCopyArrivalDate yes\nSyncState " + dir + "/\n"
	file := filepath.Join(dir, "mbsyncrc")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.b.Fatal(err)
	}
	cmd := exec.Command("mbsync", "-q", "-c", file, "all")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		t.b.Fatalf("mbsync: %v\n%s", err, out)
	}
	return took
}

// BenchmarkRepeatPass measures a pass over many folders in which nothing
// changed.
func BenchmarkRepeatPass(b *testing.B) {
	for _, rtt := range []time.Duration{0, 100 * time.Millisecond} {
		b.Run(strconv.FormatInt(rtt.Milliseconds(), 10)+"ms", func(b *testing.B) { repeatRace(b, rtt) })
	}
}

func repeatRace(b *testing.B, rtt time.Duration) {
	old := lab.StartDovecot(b, lab.DovecotOptions{Users: []lab.User{{Login: "anna@example.com", Password: benchPassword}}})
	nu := lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox", Users: old2new()})
	for i := range 200 {
		old.FillMaildir("anna@example.com", fmt.Sprintf("Folder%d", i), lab.Generate(uint64(i), 5, 1000))
	}
	t := &track{b: b, old: old, new: nu, messages: 1000}
	t.from = lab.At(old.Insecure(), lab.DelayLine(b, old.IMAP, rtt/2).Addr)
	t.to = lab.At(nu.Insecure(), lab.DelayLine(b, nu.IMAP, rtt/2).Addr)
	cfg := config.Default()
	cfg.Domains = []config.Domain{{Name: "example.com", Old: t.from, New: t.to}}
	st, err := store.Open(b.TempDir(), store.Options{Command: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	c := store.Credentials{Login: "anna@example.com", Password: benchPassword}
	if _, _, err = st.PutAccounts(b.Context(), []store.Account{{Domain: "example.com", Login: c.Login, Old: c, New: c,
		Origin: store.Imported, State: store.Active}}); err != nil {
		b.Fatal(err)
	}
	engine, err := syncer.New(&cfg, st, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Run(ctx, false)
	}()
	pass := func() (time.Duration, store.Pass) {
		began := time.Now()
		results, err := engine.Sync(ctx, nil, nil)
		if err != nil || !results[0].Pass.Complete {
			b.Fatalf("pass: %v, %+v", err, results)
		}
		return time.Since(began), results[0].Pass
	}
	if _, p := pass(); p.Copied != 1000 {
		b.Fatalf("first pass: %+v", p)
	}
	var ours []float64
	b.ResetTimer()
	for range b.N {
		d, p := pass()
		if p.Copied+p.FlagChanges != 0 {
			b.Fatalf("repeat pass: %+v", p)
		}
		ours = append(ours, d.Seconds()*1000)
	}
	b.StopTimer()
	cancel()
	<-ended
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "postferry-ms")
	if rtt > 0 {
		b.ReportMetric(median(ours)/float64(rtt.Milliseconds()), "round-trips")
	}
}

func old2new() []lab.User { return []lab.User{{Login: "anna@example.com", Password: benchPassword}} }

// BenchmarkManyAccounts makes first and repeat passes over many small accounts.
func BenchmarkManyAccounts(b *testing.B) {
	const accounts, messages = 300, 20
	var users []lab.User
	for i := range accounts {
		users = append(users, lab.User{Login: fmt.Sprintf("user%d@example.com", i), Password: benchPassword})
	}
	old := lab.StartDovecot(b, lab.DovecotOptions{Users: users})
	nu := lab.StartDovecot(b, lab.DovecotOptions{Format: "sdbox", Users: users})
	msgs := lab.Generate(1, messages, 2000)
	var rows []store.Account
	for _, u := range users {
		old.FillMaildir(u.Login, "INBOX", msgs)
		c := store.Credentials{Login: u.Login, Password: benchPassword}
		rows = append(rows, store.Account{Domain: "example.com", Login: u.Login, Old: c, New: c, Origin: store.Imported, State: store.Active})
	}
	cfg := config.Default()
	cfg.Domains = []config.Domain{{Name: "example.com", Old: old.Insecure(), New: nu.Insecure()}}
	st, err := store.Open(b.TempDir(), store.Options{Command: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	if _, _, err := st.PutAccounts(b.Context(), rows); err != nil {
		b.Fatal(err)
	}
	engine, err := syncer.New(&cfg, st, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Run(ctx, false)
	}()
	pass := func(want uint64) time.Duration {
		began := time.Now()
		results, err := engine.Sync(ctx, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		copied := uint64(0)
		for _, r := range results {
			if r.Problem != nil || !r.Pass.Complete {
				b.Fatalf("%s: %+v", r.Account.Login, r.Problem)
			}
			copied += r.Pass.Copied
		}
		if copied != want {
			b.Fatalf("copied %d messages, want %d", copied, want)
		}
		return time.Since(began)
	}
	first := pass(accounts * messages)
	var repeat []float64
	for range b.N {
		repeat = append(repeat, accounts/pass(0).Seconds())
	}
	b.StopTimer()
	cancel()
	<-ended
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(accounts/first.Seconds(), "accounts/s")
	b.ReportMetric(median(repeat), "repeat-accounts/s")
}
