package syncer_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/dryrun"
)

// plan makes a dry run and wants neither server nor the state to be changed.
func (m *move) plan() (plan report.AccountPlan) {
	m.t.Helper()
	unchanged, state := m.snapshots(), m.state()
	d := dryrun.DryRun{Config: &m.cfg, Store: m.store, Log: zerolog.Nop(), Tell: func(p report.AccountPlan) error {
		plan = p
		return nil
	}}
	if err := d.Run(m.t.Context(), nil); err != nil {
		m.t.Fatal(err)
	}
	unchanged()
	if m.state() != state {
		m.t.Error("the state has changed")
	}
	return plan
}

// state is all that is in the files of the state directory.
func (m *move) state() string {
	m.t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(m.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.WriteString(path + "\n" + string(data))
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return all.String()
}

func planned(p report.AccountPlan, folder string) report.FolderPlan {
	for _, f := range p.Folders {
		if f.Folder == folder {
			return f
		}
	}
	return report.FolderPlan{}
}

// TestDryRun plans before, between and after passes.
func TestDryRun(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	first := m.plan()
	if !first.Fits() || len(first.Folders) != 3 {
		t.Fatalf("%+v", first)
	}
	var bytes uint64
	var messages int
	for _, f := range m.old.Snapshot(moverLogin).Folders {
		messages += len(f.Messages)
		for _, msg := range f.Messages {
			bytes += uint64(msg.Size)
		}
	}
	if first.Copy != uint64(messages) || first.Bytes != bytes {
		t.Errorf("%d messages with %d octets are planned, there are %d with %d", first.Copy, first.Bytes, messages, bytes)
	}
	if f := planned(first, "Gesendet"); f.NewFolder != "Sent" || f.Action != report.FolderFilled || f.Copy != 12 {
		t.Errorf("%+v", f)
	}
	if f := planned(first, "Projekte/Übersicht"); f.NewFolder != f.Folder || f.Action != report.FolderCreated || f.Copy != 5 {
		t.Errorf("%+v", f)
	}
	if !slices.Contains(first.Subscribe, "Projekte/Übersicht") || len(first.Notes) == 0 {
		t.Errorf("subscribe %q, notes %q", first.Subscribe, first.Notes)
	}

	m.sync()
	if p := m.plan(); p.Copy != 0 || len(p.Subscribe) != 0 {
		t.Errorf("after a pass: %+v", p)
	}
	m.old.FillMaildir(moverLogin, "INBOX", lab.Generate(5, 3, 900))
	m.old.Open(moverLogin, "INBOX")
	if p := m.plan(); p.Copy != 3 || p.Bytes != 2700 || planned(p, "INBOX").Copy != 3 {
		t.Errorf("after three came: %+v", p)
	}
	m.new.Append(moverLogin, "INBOX", lab.Generate(6, 2, 900)...)
	if f := planned(m.plan(), "INBOX"); f.Unknown != 2 {
		t.Errorf("%+v", f)
	}
}

// TestDryRunQuota: what has no room is said before.
func TestDryRunQuota(t *testing.T) {
	users := []lab.User{{Login: moverLogin, Password: moverPassword}}
	for name, tt := range map[string]struct{ rule, want string }{
		"storage":  {"*:storage=40K", "40 KB"},
		"messages": {"*:messages=7", "room for 7"},
		"enough":   {"*:storage=10M:messages=1000", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMove(t)
			m.old.FillMaildir(moverLogin, "INBOX.Groß", lab.Generate(8, 10, 20_000))
			quota := lab.StartDovecot(t, lab.DovecotOptions{Separator: "/", Users: users, ExtraConfig: `
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = ` + tt.rule + `
}
`})
			m.new, m.cfg.Domains[0].New = quota, quota.Insecure()
			p := m.plan()
			if p.Problem != "" || p.Fits() != (tt.want == "") || !strings.Contains(p.Lacks, tt.want) {
				t.Errorf("lacks %q, problem %q", p.Lacks, p.Problem)
			}
		})
	}
}

// TestDryRunTooLarge: APPENDLIMIT (RFC 7889) is a limit on single messages.
func TestDryRunTooLarge(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.old.FillMaildir(moverLogin, "INBOX.Groß", lab.Generate(8, 4, 200_000))
	limited := lab.StartDovecot(t, lab.DovecotOptions{
		Separator: "/", Users: []lab.User{{Login: moverLogin, Password: moverPassword}},
		ExtraConfig: "imap_capability = +APPENDLIMIT=150000\n",
	})
	m.new, m.cfg.Domains[0].New = limited, limited.Insecure()
	if p := m.plan(); p.Fits() || p.Limit != 150000 || p.TooLarge != 4 || planned(p, "Groß").TooLarge != 4 {
		t.Errorf("%+v", p)
	}
}

// TestDryRunProblem: who can't be planned for is told as such.
func TestDryRunProblem(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	_, _, err := m.store.PutAccounts(t.Context(), []store.Account{{
		Domain: "example.com", Login: moverLogin, Origin: store.Imported, State: store.Active,
		Old: store.Credentials{Login: moverLogin, Password: "wrong"}, New: store.Credentials{Login: moverLogin, Password: moverPassword},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if p := m.plan(); p.Fits() || p.Problem == "" || strings.Contains(p.Cause, "wrong") {
		t.Errorf("%q %q", p.Problem, p.Cause)
	}
}

// TestPace is measured once there is something to measure.
func TestPace(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	d := dryrun.DryRun{Config: &m.cfg, Store: m.store}
	pace, err := d.Pace(t.Context())
	if err != nil || pace.Measured || pace.Messages <= 0 || pace.Accounts < 1 {
		t.Errorf("%+v %v", pace, err)
	}
	start := time.Date(2026, time.May, 4, 10, 0, 0, 0, time.UTC)
	if err := m.store.AddPass(t.Context(), m.id, store.Pass{Started: start, Ended: start.Add(10 * time.Second), Copied: 5000, Bytes: 40e6}); err != nil {
		t.Fatal(err)
	}
	pace, err = d.Pace(t.Context())
	if err != nil || !pace.Measured || pace.Messages != 500 || pace.Bytes != 4e6 {
		t.Errorf("%+v %v", pace, err)
	}
	if got := pace.Time(1000, 40e6); got != 10*time.Second {
		t.Errorf("1000 messages with 40 MB take %v", got)
	}
	if got := pace.Time(10000, 4e6); got != 20*time.Second {
		t.Errorf("10,000 messages with 4 MB take %v", got)
	}
}
