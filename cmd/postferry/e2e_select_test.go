package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
)

// selectVariable has the sizes of folders that TestFirstSelect opens, separated by commas.
const selectVariable = "POSTFERRY_TEST_SELECT"

// firstShown is how many messages a folder has at least when it can be seen for the first time.
const firstShown = 50

// TestFirstSelect opens a folder for the first time, of which nothing has been copied, and tells
// how long its owner waits: nearby, and with the old server 100 ms away. make select does it with
// large folders.
func TestFirstSelect(t *testing.T) {
	sizes := os.Getenv(selectVariable)
	if sizes == "" {
		sizes = "500"
	}
	t.Log("| messages | old server | login | SELECT | shown |")
	for size := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		for _, away := range []time.Duration{0, 100 * time.Millisecond} {
			t.Run(fmt.Sprintf("%d messages, %v", n, away), func(t *testing.T) { firstSelect(t, n, away) })
		}
	}
}

func firstSelect(t *testing.T, n int, away time.Duration) {
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, n, 4000))
	p.old.Open(anna, "INBOX") // its index is there, as it is for who reads mail every day
	line := lab.DelayLine(t, p.old.IMAP, away/2)
	p.oldURL = "imap+insecure://" + line.Addr
	p.domain = "enrol = true"
	d := p.serve()
	began := time.Now()
	c := p.login(d, anna)
	login := time.Since(began)
	began = time.Now()
	data := choose(t, c, "INBOX")
	took := time.Since(began)
	t.Logf("| %d | %v away | %.2f s | %.2f s | %d |", n, away, login.Seconds(), took.Seconds(), data.NumMessages)
	if int(data.NumMessages) < min(n, firstShown) {
		t.Errorf("%d messages are shown", data.NumMessages)
	}
	if took > 20*time.Second {
		t.Errorf("its owner waits for %v", took)
	}
}
