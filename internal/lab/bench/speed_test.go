package bench

import (
	"cmp"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postferry/internal/lab"
)

const far = 100 * time.Millisecond

// BenchmarkSpeed measures all that the project promises and prints a table.
func BenchmarkSpeed(b *testing.B) {
	t := &table{}
	binary := buildPostferry(b)
	for _, part := range []struct {
		name string
		run  func(*testing.B, *table, string)
	}{
		{"copy", benchCopy}, {"usual", benchUsual}, {"folders", benchFolders}, {"new-folders", benchNewFolders}, {"maildir", benchMaildir}, {"repeat", benchRepeat}, {"one-new", benchOneNew}, {"single", benchSingle},
		{"many", benchMany}, {"memory", benchMemory}, {"first", benchFirst},
	} {
		b.Run(part.name, func(b *testing.B) { part.run(b, t, binary) })
	}
	t.print()
}

// benchCopy copies one account by all contenders.
func benchCopy(b *testing.B, t *table, binary string) {
	for _, data := range []struct {
		name     string
		generate func() []lab.Msg
	}{
		{"8K", func() []lab.Msg { return lab.Generate(1, 10_000, 8<<10) }},
		{"mixed", func() []lab.Msg { return lab.Mixed(1, 1000) }},
	} {
		for _, c := range []struct {
			name     string
			old, new time.Duration
		}{{"near", 0, 0}, {"old-far", far, 0}, {"both-far", far, far}} {
			b.Run(data.name+"/"+c.name, func(b *testing.B) {
				y := newYard(b, parts, data.generate(), c.old, c.new)
				contenders := []contender{{"postferry", byPostferry(binary)}, {"mbsync", copyMbsync}, {"ceiling", byCeiling(pairs)}}
				if c.old == 0 { // far away it takes a minute
					contenders = append(contenders, contender{"dsync", byDsync(y.new)})
				}
				for b.Loop() {
					t.copied(data.name+" "+c.name, y.race(b, contenders...))
				}
			})
		}
	}
}

// diskEnv names a folder on a disk, for what is measured there. It is where make speed has
// TMPDIR in memory.
const diskEnv = "SPEED_DISK"

// benchUsual copies one account as people do it: by TLS, from files on a disk to files on a
// disk, each of them said to be there only once it is. So is Postferry's database.
func benchUsual(b *testing.B, t *table, binary string) {
	dir := cmp.Or(os.Getenv(diskEnv), "/var/tmp")
	var system unix.Statfs_t
	if err := unix.Statfs(dir, &system); err != nil || system.Type == unix.TMPFS_MAGIC {
		b.Fatalf("%s is on no disk (%v); say in %s which folder is", dir, err, diskEnv)
	}
	b.Setenv("TMPDIR", dir)
	y := newYardAsUsual(b, parts, lab.Generate(1, 2_000, 8<<10))
	for b.Loop() {
		runs := y.race(b, contender{"postferry", byPostferry(binary)}, contender{"mbsync", copyMbsync}, contender{"ceiling", byCeiling(pairs)})
		ours, theirs, ceiling := rate(runs["postferry"]), rate(runs["mbsync"]), rate(runs["ceiling"])
		t.add("2,000 messages of 8 KB, TLS, maildirs on a disk, with fsync, against mbsync", "at least 3 x", ours/theirs >= 3,
			"%.1f x (%.0f / %.0f messages/s), %.0f %% of the ceiling", ours/theirs, ours, theirs, 100*ours/ceiling)
	}
}

// copied adds the lines of one race.
func (t *table) copied(name string, runs map[string][]run) {
	ours, theirs := rate(runs["postferry"]), rate(runs["mbsync"])
	t.add(name+", against mbsync", "at least 3 x", ours/theirs >= 3, "%.1f x (%.0f / %.0f messages/s)", ours/theirs, ours, theirs)
	if dsync := rate2(runs["dsync"]); dsync > 0 {
		t.add(name+", against dsync into files", "at least 1 x", ours/dsync >= 1, "%.1f x (%.0f)", ours/dsync, dsync)
	}
	ceiling := rate(runs["ceiling"])
	t.add(name+", share of the ceiling", "at least 85 %", ours/ceiling >= 0.85, "%.0f %% (%.0f)", 100*ours/ceiling, ceiling)
	mine, other := work(runs["postferry"]), work(runs["mbsync"])
	t.add(name+", CPU of the process", "below mbsync's", mine < other, "%.2f s / %.2f s", mine.Seconds(), other.Seconds())
}

func rate2(runs []run) float64 {
	if len(runs) == 0 {
		return 0
	}
	return rate(runs)
}

// table is what is printed at the end.
type table struct{ rows []row }

type row struct {
	name, target, value string
	met                 bool
}

func (t *table) add(name, target string, met bool, format string, args ...any) {
	t.rows = append(t.rows, row{name, target, fmt.Sprintf(format, args...), met})
}

func (t *table) print() {
	fmt.Printf("\n| case | target | measured | |\n|---|---|---|---|\n")
	for _, r := range t.rows {
		mark := "met"
		if !r.met {
			mark = "missed"
		}
		fmt.Printf("| %s | %s | %s | %s |\n", r.name, r.target, r.value, mark)
	}
	fmt.Println()
}
