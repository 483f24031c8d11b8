package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"postferry/internal/lab"
	"postferry/report"
)

// checkVerify wants verify to say of both servers what a comparison without it says.
func (x *torture) checkVerify() {
	_, stdout, stderr := postferry(x.T, "", "verify", "-c", x.daemon.Config, "--bodies", "--json", "-")
	said := map[string]differences{}
	for line := range strings.Lines(stdout) {
		var event report.VerifyEvent
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			x.Fatalf("%v in %s", err, line)
		}
		if a := event.Account; a != nil {
			said[a.Login] = differences{
				lacking: a.Found[report.Missing] + a.Found[report.Removed] + a.Found[report.Quarantined], doubled: a.Found[report.Doubled], extra: a.Found[report.Extra],
				flags: a.Found[report.Flagged], dates: a.Found[report.Dated], folders: a.Found[report.FolderAbsent] + a.Found[report.FolderMissing],
				others: a.Found[report.Altered] + a.Found[report.Unreadable] + a.Found[report.FolderUnread],
			}
			if a.Problem != "" {
				x.Errorf("%s: %s", a.Login, a.Problem)
			}
		}
	}
	for _, login := range x.world.logins {
		x.checkNames(login)
		if want := compared(x.pair.old.Snapshot(login), x.pair.new.Snapshot(login)); said[login] != want {
			x.Errorf("%s: verify says %+v, both servers %+v: %s", login, said[login], want, stderr)
		}
	}
}

// checkNames wants each folder to be on the new server under one name only.
func (x *torture) checkNames(login string) {
	names := map[string]string{}
	for name, f := range x.pair.new.Snapshot(login).Folders {
		text := fmt.Sprintf("%s (UIDVALIDITY %d, %d messages)", name, f.UIDValidity, len(f.Messages))
		if other, twice := names[firstName(name)]; twice {
			x.Errorf("%s: both %s and %s are there", login, other, text)
			x.world.amiss[place{login, "INBOX." + strings.ReplaceAll(firstName(name), "/", ".")}] = true
		}
		names[firstName(name)] = text
	}
}

// differences are how many messages and folders differ.
type differences struct{ lacking, doubled, extra, flags, dates, folders, others uint64 }

// compared compares folder by folder what two servers have.
func compared(old, new *lab.Snapshot) (d differences) {
	by := map[string]*lab.FolderSnapshot{}
	for name, f := range new.Folders {
		by[firstName(name)] = f
	}
	for name, f := range old.Folders {
		if there := by[renamed(name)]; there == nil {
			d.folders++
		} else {
			d.folder(f.Messages, there.Messages)
		}
	}
	return d
}

func (d *differences) folder(old, new []lab.MessageSnapshot) {
	have, copies := bodiesOf(old), bodiesOf(new)
	for sum, there := range copies {
		were := have[sum]
		switch more := len(there) - len(were); {
		case len(were) == 0:
			d.extra += uint64(len(there))
		case more > 0:
			d.doubled += uint64(more)
		}
	}
	for sum, were := range have {
		there := copies[sum]
		pairs := min(len(were), len(there))
		d.lacking += uint64(len(were) - pairs)
		d.dates += uint64(pairs - common(were, there, func(m lab.MessageSnapshot) string { return m.Date.String() }))
		d.flags += uint64(pairs - common(were, there, func(m lab.MessageSnapshot) string { return fmt.Sprint(slices.Sorted(slices.Values(m.Flags))) }))
	}
}

func bodiesOf(messages []lab.MessageSnapshot) map[string][]lab.MessageSnapshot {
	by := map[string][]lab.MessageSnapshot{}
	for _, m := range messages {
		by[m.Sum] = append(by[m.Sum], m)
	}
	return by
}

// common is how many of both have something in common.
func common(a, b []lab.MessageSnapshot, of func(lab.MessageSnapshot) string) (n int) {
	left := map[string]int{}
	for _, m := range a {
		left[of(m)]++
	}
	for _, m := range b {
		if left[of(m)] > 0 {
			left[of(m)]--
			n++
		}
	}
	return n
}
