package board

import (
	"fmt"
	"testing"
	"time"

	"postferry/report"
	"postferry/store"
)

// A thousand accounts of ten messages each, all of which a check has counted, are begun; four are
// at work at a time and done in less than a second.
func TestManySmallAccounts(t *testing.T) {
	const accounts, each, atOnce, perSecond = 1000, 10, 4, 500
	counted := map[store.AccountID]uint64{}
	for i := range accounts {
		counted[store.AccountID(i)] = each
	}
	var m meter
	began := time.Unix(1_000_000, 0)
	for elapsed := time.Duration(0); ; elapsed += 300 * time.Millisecond {
		done := int(elapsed.Seconds() * perSecond / each)
		if done >= accounts {
			break
		}
		total := sumsOf(accounts, func(o *store.Overview) *report.Live {
			switch i := int(o.ID); {
			case i < done:
				o.Summary = store.Summary{Messages: each, Copied: each, Passes: 1, LastPass: began, Complete: true}
			case i < done+atOnce: // one folder of two has told how much is in it
				return &report.Live{Account: o.ID, Running: true, Total: each / 2}
			}
			return nil
		}, counted)
		total.measure(&m, began.Add(elapsed))
		if total.Messages != accounts*each || total.Estimated {
			t.Fatalf("after %v: %d messages, estimated %v", elapsed, total.Messages, total.Estimated)
		}
		if elapsed < 2*time.Second {
			continue
		}
		left := float64(accounts*each)/perSecond - elapsed.Seconds()
		if total.MessagesPerSecond < 0.9*perSecond || total.MessagesPerSecond > 1.1*perSecond {
			t.Errorf("after %v: %v a second, want %d", elapsed, total.MessagesPerSecond, perSecond)
		}
		if total.RemainingSeconds == nil || float64(*total.RemainingSeconds) < 0.85*left-1 || float64(*total.RemainingSeconds) > 1.15*left+2 {
			t.Errorf("after %v: %s left, want about %.0f s", elapsed, remaining(total), left)
		}
	}
}

// TestSpeedFromTheFirstMessage: somebody looks at the page before the transfer is begun, while it is and while servers are logged in to, and again
// at a second run. The speed is that at which messages come.
func TestSpeedFromTheFirstMessage(t *testing.T) {
	const perSecond, waits, copies = 100, 15, 4
	var m meter
	at := time.Unix(1_000_000, 0)
	copied := uint64(0)
	for run := range 2 {
		for second := range waits + copies {
			total := Totals{Messages: 10_000, Copied: copied, Running: min(second/10, 1)}
			total.measure(&m, at)
			if n := second - waits; n < 0 && total.MessagesPerSecond != 0 || n > 1 && total.MessagesPerSecond != perSecond {
				t.Errorf("run %d, second %d: %v a second, want %d", run, second, total.MessagesPerSecond, perSecond)
			}
			if at = at.Add(time.Second); second >= waits-1 {
				copied += perSecond
			}
		}
	}
}

func remaining(t Totals) string {
	if t.RemainingSeconds == nil {
		return "nothing known"
	}
	return fmt.Sprint(*t.RemainingSeconds, " s")
}

// sumsOf sums accounts up that are begun.
func sumsOf(n int, as func(*store.Overview) *report.Live, counted map[store.AccountID]uint64) (t Totals) {
	e := expectation{counted: counted}
	for i := range n {
		o := store.Overview{Account: store.Account{ID: store.AccountID(i), State: store.Active}}
		l := as(&o)
		t.add(&o, l)
		t.Messages += e.of(&o, l)
	}
	e.complete(&t)
	return t
}

// Without a check the others are reckoned to have as much as those that are known, and that is said.
func TestExpectationWithoutCheck(t *testing.T) {
	total := sumsOf(100, func(o *store.Overview) *report.Live {
		if o.ID < 20 {
			o.Summary = store.Summary{Messages: uint64(30 + o.ID), Copied: 5}
		}
		if o.ID >= 90 {
			o.State = store.Waiting // nobody has begun it
		}
		return nil
	}, nil)
	if want := uint64(20*30 + 190 + 70*790/20); total.Messages < want-1 || total.Messages > want+1 || !total.Estimated {
		t.Errorf("%d messages, want about %d; estimated %v", total.Messages, want, total.Estimated)
	}
	if nothing := sumsOf(10, func(*store.Overview) *report.Live { return nil }, nil); nothing.Messages != 0 || nothing.Estimated {
		t.Errorf("%+v", nothing)
	}
}

// What a check counted is shown before anything is begun, and not any more of the others once a part of the accounts is.
func TestCheckedIsShownBeforeTheBeginning(t *testing.T) {
	for begun, want := range map[int]uint64{0: 3 * 40, 2: 2 * 40} {
		total := sumsOf(3, func(o *store.Overview) *report.Live {
			if int(o.ID) >= begun {
				o.State = store.Waiting
			}
			return nil
		}, map[store.AccountID]uint64{0: 40, 1: 40, 2: 40})
		if total.Messages != want || total.Estimated {
			t.Errorf("%d begun: %d messages, want %d; estimated %v", begun, total.Messages, want, total.Estimated)
		}
	}
}

// What was measured before a pause, or before accounts were taken out, does not count.
func TestMeterBeginsAnew(t *testing.T) {
	var m meter
	at := time.Unix(1_000_000, 0)
	for _, tt := range []struct {
		after    time.Duration
		messages uint64
		known    bool
		rate     float64
	}{
		{0, 1000, false, 0}, {300 * time.Millisecond, 1100, false, 0}, {2 * time.Second, 1200, true, 100},
		{meterGap + 3*time.Second, 9000, false, 0}, {meterGap + 5*time.Second, 9100, true, 50},
		{meterGap + 6*time.Second, 100, false, 0}, {meterGap + 8*time.Second, 100, false, 0},
		{meterGap + 9*time.Second, 150, true, 50},
	} {
		rate, _, known := m.add(meterSample{at: at.Add(tt.after), messages: tt.messages})
		if known != tt.known || rate != tt.rate {
			t.Errorf("after %v: %v %v, want %v %v", tt.after, rate, known, tt.rate, tt.known)
		}
	}
}

// While nothing is entered, as with one large message on its way, the accounts' own speed stays.
func TestMeterOfOneLargeMessage(t *testing.T) {
	var m meter
	for n := range 10 {
		total := sumsOf(1, func(o *store.Overview) *report.Live {
			o.Summary = store.Summary{Messages: 100, Copied: 10}
			return &report.Live{Account: o.ID, Running: true, Total: 100, Rate: report.Rate{Messages: 0.25, Octets: 5e6}}
		}, nil)
		total.measure(&m, time.Unix(1_000_000+int64(n), 0))
		if total.MessagesPerSecond != 0.25 || total.OctetsPerSecond != 5e6 || total.RemainingSeconds != nil {
			t.Errorf("after %d s: %v messages and %v octets a second, %s left", n, total.MessagesPerSecond, total.OctetsPerSecond, remaining(total))
		}
	}
}
