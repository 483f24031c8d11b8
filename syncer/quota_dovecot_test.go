package syncer_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/store"
)

// quotaOf is a Dovecot that allows each user so much.
func quotaOf(limit string) kind {
	return kind{"dovecot-quota", "", "/", "Sent", false, func(t *testing.T) mailServer {
		return lab.StartDovecot(t, lab.DovecotOptions{Format: "sdbox", ExtraConfig: `
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=` + limit + `
}
`})
	}}
}

// TestDovecotQuota: a mailbox on a real server gets full while it is filled. That
// pauses the account; with room it goes on, and everything is there once.
func TestDovecotQuota(t *testing.T) {
	t.Parallel()
	m := startRelocation(t, maildir, quotaOf("1M"))
	c := m.old.Client(anna)
	for _, msg := range lab.Generate(1, 60, 12_000) {
		if err := lab.Append(c, "INBOX", msg); err != nil {
			t.Fatal(err)
		}
	}
	n := m.new.Client(anna)
	lab.Create(t, n, "Ballast")
	if err := lab.Append(n, "Ballast", lab.Generate(2, 1, 700_000)[0]); err != nil {
		t.Fatal(err)
	}
	results, err := m.engine.Sync(t.Context(), nil, nil)
	if err != nil || len(results) != 1 {
		t.Fatal(err)
	}
	p := results[0].Problem
	if p == nil || p.Kind != store.OverQuota || p.Advice != store.RetryLater || p.Retry.IsZero() || !strings.Contains(p.Summary.String(), "is full") {
		t.Fatalf("problem %+v", p)
	}
	if _, err := n.Select("Ballast", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := n.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.Logout().Wait(); err != nil {
		t.Fatal(err)
	}
	m.pass()
	old, moved := m.old.Snapshot(anna), m.new.Snapshot(anna)
	if diff := lab.SameMail(old, moved, m.moved); diff != "" {
		t.Error(diff)
	}
}

// TestDovecotQuotaTooSmall: an account that can't fit is not begun.
func TestDovecotQuotaTooSmall(t *testing.T) {
	t.Parallel()
	m := startRelocation(t, quotaOf("1G"), quotaOf("1M"))
	c := m.old.Client(anna)
	for _, msg := range lab.Generate(1, 3, 600_000) {
		if err := lab.Append(c, "INBOX", msg); err != nil {
			t.Fatal(err)
		}
	}
	results, err := m.engine.Sync(t.Context(), nil, nil)
	if err != nil || len(results) != 1 {
		t.Fatal(err)
	}
	p := results[0].Problem
	if p == nil || p.Kind != store.OverQuota || !strings.Contains(p.Summary.String(), "does not fit") || results[0].Pass.Copied != 0 {
		t.Fatalf("%+v, problem %+v", results[0].Pass, p)
	}
	if n := count(m.new.Snapshot(anna)); n != 0 {
		t.Errorf("%d messages were copied", n)
	}
}
