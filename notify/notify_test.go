package notify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"

	"postferry/config"
	"postferry/report/reason"
	"postferry/stage"
	"postferry/store"
)

// to are recipients by e-mail.
func to(p *postOffice, recipients ...config.Recipient) config.Notify {
	return config.Notify{SMTP: p.SMTP, Digest: config.NoDigest, Recipients: recipients}
}

// TestToldOnce: people are told of each event once, in their languages, those of other domains not at
// all; also over a restart.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.StartTLS})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, to(p, config.Recipient{To: []string{"a@x.example", "b@x.example"}, Language: "de"},
			config.Recipient{To: []string{"c@x.example"}, Domains: []string{domain}, Language: "ru"},
			config.Recipient{To: []string{"d@x.example"}, Domains: []string{"example.net"}, Language: "en"}))
		w.look()
		p.wantMail(t)
		for _, step := range []struct {
			event Event
			stage stage.Stage
		}{{Copied, stage.Copied}, {Settled, stage.Safe}, {Finished, stage.Finished}} {
			w.is(step.stage, stage.Met)
			w.look()
			subject := " notify.subject_" + string(step.event) + " Domain" + domain
			mail := p.wantMail(t, "a@x.example: de"+subject, "b@x.example: de"+subject, "c@x.example: ru"+subject)
			for _, m := range mail {
				if !strings.Contains(m.Text, "https://move.example.com/d/example.com") || !strings.Contains(m.Text, "the next step") || m.GetHeader("Auto-Submitted") != "auto-generated" {
					t.Errorf("%s\n%s", m.GetHeader("Auto-Submitted"), m.Text)
				}
			}
			time.Sleep(time.Hour)
			w.look()
			w.is(stage.Copied, stage.Met) // a verification that is too old takes "safe" back
			w.look()
			w.is(step.stage, stage.Met)
			w.open()
			w.look()
			p.wantMail(t)
		}
	})
}

// TestToldAnew: of accounts that have joined, and of late mail after the old server could have been
// switched off, people are told.
func TestToldAnew(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.ImplicitTLS})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, to(p, config.Recipient{To: []string{"a@x.example"}, Language: "en"}))
		w.is(stage.Copied, stage.Met)
		w.look()
		copied := "a@x.example: en notify.subject_copied Domain" + domain
		p.wantMail(t, copied)
		w.at.Figures.Accounts = 4
		w.look()
		p.wantMail(t)
		time.Sleep(again)
		w.look()
		p.wantMail(t, copied)

		settled := "a@x.example: en notify.subject_settled Domain" + domain
		w.is(stage.Safe, stage.Met)
		w.look()
		w.at.Late = &stage.Late{Messages: 1, Last: time.Now().Add(time.Hour)}
		w.look()
		p.wantMail(t, settled, settled)
	})
}

// TestOldEndsAreNoNews: of a domain that was finished before anybody could be told nobody is.
func TestOldEndsAreNoNews(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.StartTLS})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, to(p, config.Recipient{To: []string{"a@x.example"}, Language: "en"}))
		w.is(stage.Finished, stage.Met)
		w.look()
		w.look()
		p.wantMail(t)
	})
}

// TestCausesToldOnce: trouble is told once for each cause, however many accounts have it, and again
// if it comes back after a day.
func TestCausesToldOnce(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.StartTLS})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, to(p, config.Recipient{To: []string{"a@x.example"}, Language: "en"}))
		long := time.Now().Add(-time.Hour)
		name := &store.Problem{Kind: store.CertificateName, Server: store.OldSide, Host: "imap.old.example", Summary: reason.Said("The name is wrong."), Advice: store.NeedsFix, Since: long}
		full := &store.Problem{Kind: store.OverQuota, Server: store.NewSide, Host: "imap.new.example", Summary: reason.Said("It is full."), Advice: store.RetryLater, Since: long}
		w.trouble(name, "a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com")
		w.trouble(full, "g@example.com")
		w.trouble(&store.Problem{Kind: store.Unreachable, Host: "x", Advice: store.RetryLater, Since: long}, "h@example.com")
		w.look()
		subject := "a@x.example: en notify.subject_trouble Domain" + domain
		mail := p.wantMail(t, subject, subject)
		text := mail[0].Text + mail[1].Text
		for _, want := range []string{"The name is wrong.", "advice for certificate_name", "Count6Namesa@example.com, b@example.com, c@example.com, d@example.com, e@example.com, …", "It is full.", "Count1Namesg@example.com"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
		w.trouble(name, "i@example.com", "j@example.com")
		fresh := *full
		fresh.Since = time.Now()
		fresh.Host = "imap.other.example"
		w.trouble(&fresh, "k@example.com") // more may have it in a minute
		w.look()
		p.wantMail(t)
		time.Sleep(settleTime)
		w.look()
		p.wantMail(t, subject)

		w.trouble(nil, "g@example.com")
		w.look()
		w.trouble(full, "g@example.com")
		w.look()
		w.trouble(nil, "g@example.com")
		w.look()
		time.Sleep(again)
		w.open()
		w.look()
		p.wantMail(t)
		w.trouble(full, "g@example.com")
		w.look()
		w.look()
		p.wantMail(t, subject)
	})
}

// TestNothingIsLostOverARestart: what could not be delivered is tried again, less and less often, with
// the same ID, and given up after two days.
func TestNothingIsLostOverARestart(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.StartTLS})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, to(p, config.Recipient{To: []string{"a@x.example", "b@x.example", "never@x.example"}, Language: "en"}))
		p.setFails(func(to string) error {
			if to == "never@x.example" {
				return &smtp.SMTPError{Code: 550, Message: "unknown"}
			}
			return &smtp.SMTPError{Code: 451, Message: "later"}
		})
		w.is(stage.Copied, stage.Met)
		w.look()
		waiting := w.letters()
		if len(waiting) != 2 || !strings.Contains(w.log.String(), "not tried again") {
			t.Fatalf("waiting: %+v\n%s", waiting, w.log.String())
		}
		tries := 0
		for range 10 {
			before := p.tries()
			time.Sleep(time.Minute)
			w.look()
			tries += p.tries() - before
		}
		if tries != 6 { // after 1, 3 and 7 minutes
			t.Errorf("%d attempts for 2 letters within 10 minutes", tries)
		}
		w.open()
		p.setFails(nil)
		time.Sleep(longestPause)
		w.look()
		mail := p.wantMail(t, "a@x.example: en notify.subject_copied Domain"+domain, "b@x.example: en notify.subject_copied Domain"+domain)
		ids := mail[0].GetHeader("Message-Id") + mail[1].GetHeader("Message-Id")
		if !strings.Contains(ids, waiting[0].ID) || !strings.Contains(ids, waiting[1].ID) || len(w.letters()) > 0 {
			t.Errorf("IDs %s; sent were %s and %s; left %v", ids, waiting[0].ID, waiting[1].ID, w.letters())
		}

		p.setFails(func(string) error { return &smtp.SMTPError{Code: 451, Message: "later"} })
		w.is(stage.Finished, stage.Met)
		w.look()
		time.Sleep(giveUp + time.Hour)
		w.look()
		if left := w.letters(); len(left) > 0 {
			t.Errorf("still tried after two days: %v", left)
		}
	})
}

func (p *postOffice) tries() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tried
}

// TestMailNeedsTLS: nothing is sent to a server that offers no TLS, or shows a certificate that isn't
// trusted.
func TestMailNeedsTLS(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]office{"no STARTTLS": {security: config.StartTLS, noTLS: true}, "an unknown authority": {security: config.StartTLS}, "TLS from the first byte": {security: config.ImplicitTLS}} {
		p := newPostOffice(t, o)
		if !o.noTLS {
			p.SMTP.CA = ""
		}
		w := newWorld(t, to(p, config.Recipient{To: []string{"a@x.example"}, Language: "en"}))
		tried, err := w.Try(t.Context(), "")
		if err != nil || len(tried) != 1 || tried[0].Err == nil {
			t.Errorf("%s: %+v, %v", name, tried, err)
		}
		p.wantMail(t)
	}
}

// TestDigest: once a day people are told how the moves under way go on; not on the first day, and not
// of what is finished.
func TestDigest(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.StartTLS})
	synctest.Test(t, func(t *testing.T) {
		n := to(p, config.Recipient{To: []string{"a@x.example"}, Language: "en"}, config.Recipient{To: []string{"b@x.example"}, Domains: []string{"example.net"}, Language: "en"})
		n.Digest = 7 * time.Hour
		w := newWorld(t, n)
		w.trouble(&store.Problem{Kind: store.OverQuota, Summary: reason.Said("It is full."), Advice: store.NeedsFix, Since: time.Now()}, "g@example.com")
		untilNoon()
		w.look()
		time.Sleep(18*time.Hour + 59*time.Minute)
		w.look()
		trouble := "a@x.example: en notify.subject_trouble Domain" + domain
		p.wantMail(t, trouble)
		digest := "a@x.example: en notify.subject_digest"
		for range 2 {
			time.Sleep(time.Minute)
			w.look()
			w.open()
			w.look()
			mail := p.wantMail(t, digest)
			if !strings.Contains(mail[0].Text, "example.com: en stage.copying") || !strings.Contains(mail[0].Text, "It is full.") {
				t.Errorf("%s", mail[0].Text)
			}
			time.Sleep(24*time.Hour - time.Minute)
		}
		w.is(stage.Finished, stage.Met)
		time.Sleep(24 * time.Hour)
		w.look()
		p.wantMail(t, "a@x.example: en notify.subject_finished Domain"+domain)
	})
}

// TestNoSecretIsTold: neither the log nor the state nor an error has a password or the URL of a webhook.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.StartTLS, signIn: errors.New("no")})
	synctest.Test(t, func(t *testing.T) {
		n := to(p, config.Recipient{To: []string{"a@x.example"}, Language: "en", Webhook: "http://127.0.0.1:1/hush?key=hush", WebhookSecret: "hush-hush-hush-hush"})
		w := newWorld(t, n)
		w.is(stage.Copied, stage.Met)
		w.look()
		if !strings.Contains(w.log.String(), "who is ferry with [secret]?") || hasSecret(w.log.String()) {
			t.Errorf("log: %s", w.log.String())
		}
		tried, err := w.Try(t.Context(), "")
		if err != nil || len(tried) != 2 {
			t.Fatal(tried, err)
		}
		for _, one := range tried {
			if one.Err == nil || hasSecret(one.Err.Error()) || hasSecret(one.To) {
				t.Errorf("%+v", one)
			}
		}
		w.state.Close()
		files, err := filepath.Glob(filepath.Join(w.dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, name := range files {
			if data, err := os.ReadFile(name); err != nil || hasSecret(string(data)) {
				t.Errorf("%s has a secret, or: %v", name, err)
			}
		}
	})
}

// TestForgottenDomainsAreNotRemembered: what was told of a domain goes when it is gone.
func TestForgottenDomainsAreNotRemembered(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.StartTLS})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, to(p, config.Recipient{To: []string{"a@x.example"}, Language: "en"}))
		w.is(stage.Copied, stage.Met)
		w.look()
		w.Config.Directory = config.NewDirectory(nil)
		w.look()
		if told, err := w.records(t.Context()); err != nil || len(told) > 0 {
			t.Errorf("%v, %v", told, err)
		}
	})
}

// TestAddedWhileItRuns: whoever is added to a domain while Postferry runs is told from then on, in one digest of all domains;
// nothing is told twice to whom the configuration names, and nothing at all without a server that takes e-mail.
func TestAddedWhileItRuns(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t, office{security: config.StartTLS})
	synctest.Test(t, func(t *testing.T) {
		n := to(p, config.Recipient{To: []string{"Fixed@x.example"}, Domains: []string{domain}, Language: "en"})
		n.Digest = 7 * time.Hour
		w := newWorld(t, n)
		w.Config.Directory = config.NewDirectory(nil)
		w.Config.Directory.Put(config.Domain{Name: domain})
		untilNoon()
		w.look()
		add := func(name string, all ...string) {
			d := config.Domain{Name: name}
			for _, to := range all {
				d.Recipients = append(d.Recipients, config.AddedRecipient(name, to, "de"))
			}
			w.Config.Directory.Put(d)
		}
		add(domain, "fixed@x.example", "a@x.example")
		w.is(stage.Copied, stage.Met)
		w.look()
		subject := " notify.subject_copied Domain" + domain
		p.wantMail(t, "Fixed@x.example: en"+subject, "a@x.example: de"+subject)
		add("example.net", "a@x.example")
		add("example.org", "b@x.example")
		w.look()
		// The guide says the same of each domain.
		p.wantMail(t, "a@x.example: de notify.subject_copied Domainexample.net", "b@x.example: de notify.subject_copied Domainexample.org")
		time.Sleep(24 * time.Hour)
		w.look()
		for _, m := range p.wantMail(t, "Fixed@x.example: en notify.subject_digest", "a@x.example: de notify.subject_digest", "b@x.example: de notify.subject_digest") {
			if got := strings.Count(m.Text, "stage.copied"); strings.Contains(m.GetHeader("To"), "a@x") != (got == 2) {
				t.Errorf("to %s of %d domains:\n%s", m.GetHeader("To"), got, m.Text)
			}
		}
		w.Config.Notify.SMTP.Host = ""
		if all := w.Config.Recipients(); len(all) != 1 {
			t.Errorf("without a server %d are told", len(all))
		}
	})
}
