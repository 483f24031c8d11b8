package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

// binaryEnv names the program that TestRound drives: make round says which one make build has made.
const binaryEnv = "POSTFERRY_BINARY"

// program is a postferry in processes of its own.
type program struct {
	t    *testing.T
	path string
}

// run runs a command line and wants it to succeed.
func (p program) run(stdin string, args ...string) (stdout string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), p.path, args...)
	cmd.Env = append(os.Environ(), runEnv+"=1") // it says nothing to a program that is no test binary
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("postferry %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

// TestRound moves two people from one Dovecot to another by the program as it is installed,
// from the check of the list to the end: a list, a pass, a daemon through which a client
// works, late mail, a verification. Both servers are compared by go-imap's client.
func TestRound(t *testing.T) {
	t.Parallel()
	const ben = "ben@example.com"
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if built := os.Getenv(binaryEnv); built != "" {
		exe = built
	}
	postferry := program{t, exe}
	if out := postferry.run("", "version"); !strings.HasPrefix(out, "postferry ") {
		t.Errorf("version: %q", out)
	}
	p := startPair(t, anna, ben)
	for i, login := range []string{anna, ben} {
		p.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), 60, 3000))
		p.old.FillMaildir(login, "INBOX.Gesendet", lab.Mixed(uint64(10+i), 20))
	}
	d := startDaemonOf(t, exe, p.config())
	list := anna + " " + quoted(odd) + "\n" + ben + " " + quoted(odd) + "\n"
	postferry.run(list, "import", "-c", d.Config, "-")
	c := p.login(d, anna) // the visit brings her INBOX over
	if data, err := c.Select("INBOX", nil).Wait(); err != nil || data.NumMessages != 60 {
		t.Errorf("INBOX through the relay: %+v, %v", data, err)
	}
	if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagAnswered}}, nil).Close(); err != nil {
		t.Error(err)
	}
	c.Close()
	d.Stop()
	if out := postferry.run("", "sync", "-c", d.Config); !strings.Contains(out, "2 accounts: 2 complete, 0 incomplete") {
		t.Errorf("sync:\n%s", out)
	}
	p.old.Append(ben, "INBOX", lab.Msg{Body: letter("late")})
	if out := postferry.run("", "sync", "-c", d.Config); !strings.Contains(out, "2 complete, 0 incomplete; 1 message copied") {
		t.Errorf("the second pass:\n%s", out)
	}
	p.sameMail(ben)
	if out := postferry.run("", "verify", "-c", d.Config, "--bodies"); !strings.Contains(out, "good") {
		t.Errorf("verify:\n%s", out)
	}
	if diff := lab.SameMail(p.old.Snapshot(anna), p.new.Snapshot(anna), renamed); !strings.Contains(diff, `\Answered`) || strings.Count(diff, "\n") > 4 {
		t.Errorf("anna's mail differs in more than the flag that she has set:\n%s", diff)
	}
	if _, accounts := statusOf(t, d.Config); accounts[anna].Copied != 80 || accounts[ben].Copied != 81 {
		t.Errorf("status: %+v", accounts)
	}
	checkLog(t, d.Log())
}
