package console

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vbauerster/mpb/v8"
	"go.uber.org/goleak"

	"postferry/internal/control"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// snapshots are what a pass over two accounts might report.
func snapshots() [][]report.Live {
	anna := report.Live{Account: 1, Login: "anna@example.com", Running: true, Folder: "INBOX", Total: 100}
	bert := report.Live{Account: 2, Login: "bert@example.com", Running: true, Total: 50}
	step := func(l report.Live, done uint64) report.Live {
		l.Done, l.Copied, l.Bytes = done, done, done*1000
		l.OctetsDone, l.OctetsTotal, l.OctetsExact = done*1000, l.Total*1000, l.Account == 2
		l.Rate = report.Rate{Messages: 10, Octets: 10_000}
		left := time.Duration(l.Total-done) * time.Second / 10
		l.Remaining = &left
		return l
	}
	return [][]report.Live{
		{anna},
		{step(anna, 60), bert},
		{step(anna, 100), step(bert, 10)},
		{step(bert, 50)},
	}
}

func TestProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgressLines(&out)
		for i, live := range snapshots() {
			time.Sleep(3 * time.Second)
			p.Show(live, max(0, 1-i))
		}
		p.End()
		golden(t, "progress.txt", out.Bytes())
	})
}

// Before anything is known no figures are made up.
func TestProgressBeforeFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgressLines(&out)
		for range 3 {
			p.Show([]report.Live{{Account: 1, Login: "anna@example.com", Running: true}}, 2)
			time.Sleep(3 * time.Second)
		}
		want := "anna@example.com: started\n6s: the old server is asked what mail there is; 1 account running, 2 waiting\n"
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

func TestTimeLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                   "0s",
		2400 * time.Millisecond:        "2s",
		90 * time.Second:               "2m",
		time.Hour:                      "1h 0m",
		3*time.Hour + 59*time.Second:   "3h 1m",
		50*time.Hour + 31*time.Minute:  "2d 3h",
		24*time.Hour - 10*time.Second:  "24h 0m",
		365*24*time.Hour + time.Minute: "365d 0h",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := timeLeft(nil); got != "time left unknown" {
		t.Errorf("got %q", got)
	}
}

// Nobody knows the rest before every account has had its turn.
func TestTallyLeft(t *testing.T) {
	minute := time.Minute
	tl := newTally()
	tl.update([]report.Live{{Account: 1, Running: true, Remaining: &minute}})
	if left := tl.left(); left == nil || *left != minute {
		t.Errorf("got %v", left)
	}
	tl.waiting = 3
	if left := tl.left(); left != nil {
		t.Errorf("known while accounts wait: %v", *left)
	}
	tl.waiting = 0
	tl.update([]report.Live{{Account: 1, Running: true, Remaining: &minute}, {Account: 2, Running: true}})
	if left := tl.left(); left != nil {
		t.Errorf("known while one account's is not: %v", *left)
	}
}

// TestProgressBars draws bars to something that takes them for a terminal's.
func TestProgressBars(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	p := newProgressBars(&out, mpb.WithAutoRefresh(), mpb.WithWidth(120))
	tick := time.NewTicker(250 * time.Millisecond) // longer than the bars take to be drawn
	defer tick.Stop()
	for _, live := range snapshots() {
		p.Show(live, 0)
		<-tick.C
	}
	p.End()
	for _, want := range []string{"anna@example.com", "bert@example.com", "all accounts", "60/100 INBOX", "50/50"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, &out)
		}
	}
}

func TestSummary(t *testing.T) {
	start := time.Date(2026, time.May, 4, 10, 0, 0, 0, time.UTC)
	results := []control.SyncResult{
		{Login: "anna@example.com", Pass: store.Pass{Started: start, Ended: start.Add(90 * time.Second), Complete: true, Copied: 12000, Bytes: 123456789, FlagChanges: 3}},
		{Login: "bert@example.com", Pass: store.Pass{Started: start, Ended: start.Add(1500 * time.Millisecond), Quarantined: 1, Adopted: 2, Error: reason.Said("refused")}, Quarantined: 2, Problem: &store.Problem{
			Summary: reason.Said("The old server refuses the password: correct it in the list and import it again"), Advice: store.NeedsFix,
		}},
		{Login: "dora@example.com", Pass: store.Pass{Started: start, Ended: start.Add(7 * time.Millisecond), Complete: true}, Quarantined: 1},
		{Login: "carla@example.com", Pass: store.Pass{Started: start, Ended: start, Error: reason.Said("The connection was lost")}, Problem: &store.Problem{
			Summary: reason.Said("The old server does not answer"), Advice: store.RetryLater, Folder: "Sent",
		}},
	}
	golden(t, "summary.txt", []byte(Summary(results)))
}

// TestSummaryLong wants only the accounts that need somebody, of many.
func TestSummaryLong(t *testing.T) {
	var results []control.SyncResult
	for i := range summaryRows + 1 {
		results = append(results, control.SyncResult{Login: fmt.Sprintf("user%d", i), Pass: store.Pass{Complete: i != 7}})
	}
	text := Summary(results)
	if strings.Contains(text, "user8") || !strings.Contains(text, "user7") || !strings.Contains(text, "51 accounts: 50 complete, 1 incomplete") {
		t.Errorf("got\n%s", text)
	}
}
