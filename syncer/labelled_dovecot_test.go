package syncer

import (
	"testing"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
)

// TestLabelledOnDovecot: a Dovecot copies what has several labels, with flags and dates.
func TestLabelledOnDovecot(t *testing.T) {
	t.Parallel()
	user := lab.User{Login: "anna@example.com", Password: annasPassword}
	r := newOddGmailRig(t, lab.OddOptions{})
	r.cfg.Domains[0].New = lab.StartDovecot(t, lab.DovecotOptions{Users: []lab.User{user}}).Insecure()
	r.account.New = store.Credentials{Login: user.Login, Password: store.Secret(user.Password)}
	r.start(false)
	r.complete(labelledTotal)
	r.complete(0)
	if got, want := r.bodies.Load(), r.apart(); got != want {
		t.Errorf("%d octets were downloaded, want %d", got, want)
	}
	if found, account := r.verify(true); len(found) > 0 || account.Worst != report.Harmless || account.Same != labelledTotal {
		t.Errorf("%+v: %+v", account, found)
	}
}
