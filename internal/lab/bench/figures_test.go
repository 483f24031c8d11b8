package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
)

const (
	// figuresAccountsEnv is how many small accounts BenchmarkFigures moves, figuresMessagesEnv how many messages
	// the large one has.
	figuresAccountsEnv, figuresMessagesEnv = "FIGURES_ACCOUNTS", "FIGURES_MESSAGES"
	// figuresEvery is how often the figures are looked at.
	figuresEvery = 500 * time.Millisecond
	// figuresOff is how far they may be from what happened, and figuresShare how many of them must be within that.
	figuresOff, figuresShare = 0.15, 0.9
	// figuresAround is the time before and after a look over which the true speed is taken.
	figuresAround = 10 * time.Second
)

// BenchmarkFigures lets a daemon move many small accounts, and one large one, between servers in memory. It compares what
// the API says of share, speed and remaining time with what happened, and tells how soon the API answered.
func BenchmarkFigures(b *testing.B) {
	binary := buildPostferry(b)
	draw := rand.New(rand.NewPCG(1, 2))
	small := make([]int, number(b, figuresAccountsEnv, 1000))
	for i := range small {
		small[i] = 20 + draw.IntN(200) // nobody has counted them
	}
	for _, c := range []struct {
		name     string
		messages []int
	}{{"small", small}, {"large", []int{number(b, figuresMessagesEnv, 500_000)}}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				watchFigures(b, binary, c.messages)
			}
		})
	}
}

// number is one that the environment gives.
func number(b *testing.B, env string, otherwise int) int {
	b.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(env), strconv.Itoa(otherwise)))
	if err != nil || n < 1 {
		b.Fatalf("%s=%q is no number", env, os.Getenv(env))
	}
	return n
}

// figure is what the API says at a moment.
type figure struct {
	at     time.Time
	took   time.Duration
	Totals struct {
		Complete         int
		Messages, Copied uint64
		PerSecond        float64 `json:"messages_per_second"`
		Remaining        *int64  `json:"remaining_seconds"`
	}
}

// watchFigures moves accounts with so many messages and looks at the figures.
func watchFigures(b *testing.B, binary string, messages []int) {
	b.Helper()
	var list []string
	for i := range messages {
		list = append(list, lightLogin(i)+" "+password)
	}
	page := freeAddress(b)
	f := newFerry(b, binary, startLightServer(b, messages), startLightServer(b, make([]int, len(messages))), list,
		`interval = "24h"`, `[proxy]`, `imaps = "127.0.0.1:0"`, `imap = ""`, `[admin]`, `listen = "`+page+`"`)
	token, err := exec.CommandContext(b.Context(), binary, "admin", "token", "create", "-c", f.config, "figures", "--domain", "").Output()
	if err != nil {
		b.Fatal(err)
	}
	d := f.serve()
	seen := d.figures("http://"+page+"/api/v1/domains/example.com", strings.TrimSpace(string(token)), len(messages))
	peak, _ := lab.PeakMemory(d.cmd.Process.Pid)
	d.stop()
	judgeFigures(b, seen)
	b.Logf("%d MB resident at most", peak>>20)
}

// figures asks again and again until n accounts are complete.
func (d *served) figures(url, token string, n int) (seen []figure) {
	d.f.b.Helper()
	tick := time.NewTicker(figuresEvery)
	defer tick.Stop()
	for {
		f, err := ask(d.f.b, url, token)
		if err == nil {
			if seen = append(seen, f); f.Totals.Complete == n {
				return seen
			}
		}
		select {
		case <-tick.C:
		case <-d.f.b.Context().Done():
			d.f.b.Fatalf("%v; the last was %+v\n%s", err, seen[max(len(seen)-1, 0):], d.out.String())
		}
	}
}

// ask asks once.
func ask(b *testing.B, url, token string) (f figure, err error) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		return f, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	f.at = time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return f, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	f.took = time.Since(f.at)
	return f, err
}

// judgeFigures compares the figures, from the first tenth on, with what happened.
func judgeFigures(b *testing.B, seen []figure) {
	b.Helper()
	last := seen[len(seen)-1]
	// Passes end a little after the last message, and begin with logins.
	copying := seen[:1+slices.IndexFunc(seen, func(f figure) bool { return f.Totals.Copied == last.Totals.Copied })]
	if begun := slices.IndexFunc(copying, func(f figure) bool { return f.Totals.Copied > 0 }); begun > 0 {
		copying = copying[begun-1:]
	}
	last = copying[len(copying)-1]
	var took []time.Duration
	off := map[string][]float64{}
	for _, f := range seen {
		took = append(took, f.took)
		done := float64(f.Totals.Copied) / float64(last.Totals.Copied)
		if done < 0.1 || done >= 1 {
			continue
		}
		off["share"] = append(off["share"], math.Abs(float64(f.Totals.Copied)/float64(f.Totals.Messages)/done-1))
		if rate := trueRate(copying, f.at); rate > 0 {
			off["speed"] = append(off["speed"], math.Abs(f.Totals.PerSecond/rate-1))
		}
		off["remaining time"] = append(off["remaining time"], remainingOff(f, last.at.Sub(f.at)))
	}
	slices.Sort(took)
	b.Logf("%d messages in %.1f s (%.0f/s); %d requests: p95 %s, worst %s", last.Totals.Copied, last.at.Sub(seen[0].at).Seconds(),
		float64(last.Totals.Copied)/last.at.Sub(seen[0].at).Seconds(), len(took), took[len(took)*95/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	for _, what := range []string{"share", "speed", "remaining time"} {
		all := off[what]
		if len(all) == 0 {
			b.Errorf("%s: nothing was seen of it", what)
			continue
		}
		slices.Sort(all)
		at := all[int(figuresShare*float64(len(all)-1))]
		b.Logf("%-14s off by %.0f %% in the median, %.0f %% at most in %.0f %% of %d looks, %.0f %% at worst", what, 100*all[len(all)/2], 100*at, 100*figuresShare, len(all), 100*all[len(all)-1])
		if at > figuresOff {
			b.Errorf("%s: off by %.0f %%", what, 100*at)
		}
	}
}

// trueRate is how many messages a second were copied around a moment.
func trueRate(seen []figure, at time.Time) float64 {
	first, last := seen[0], seen[len(seen)-1]
	for _, f := range seen {
		if f.at.Before(at.Add(-figuresAround)) {
			first = f
		}
		if f.at.After(at.Add(figuresAround)) {
			last = f
			break
		}
	}
	return float64(last.Totals.Copied-first.Totals.Copied) / last.at.Sub(first.at).Seconds()
}

// remainingOff is by how much the remaining time is off. Less than two seconds is none.
func remainingOff(f figure, left time.Duration) float64 {
	if f.Totals.Remaining == nil {
		return 1
	}
	off := math.Abs(float64(*f.Totals.Remaining) - left.Seconds())
	if off < 2 {
		return 0
	}
	return off / left.Seconds()
}
