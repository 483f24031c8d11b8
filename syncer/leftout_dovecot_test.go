package syncer_test

import (
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/rs/zerolog"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/verify"
)

// TestArchivedAtDovecot: of two messages in a folder with the special use \All one lies in INBOX
// too. The other is copied to the archive, once, and plan, rows, summary and verification say so.
func TestArchivedAtDovecot(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	both, lone := lab.Generate(1, 20, 800)[0], lab.Generate(9, 1, 900)[0]
	m.old.FillMaildir(moverLogin, "INBOX.Alles", []lab.Msg{both, lone})
	m.old.Open(moverLogin, "INBOX.Alles")
	if p := m.plan(); p.LeftOut != 0 || planned(p, "Alles").Copy != 1 || planned(p, "Alles").Bytes != uint64(len(lone.Body)) {
		t.Errorf("planned before: %+v", p)
	}
	m.sync()
	for range 2 {
		if p := m.plan(); p.LeftOut != 0 || p.Copy != 0 {
			t.Errorf("planned after: %+v", p)
		}
		if row := m.row("Alles"); row.State != store.FolderPresent || row.New != "Archive" || row.Copied != 1 || row.LeftOut != 0 {
			t.Errorf("%+v", row)
		}
		if sum, err := m.store.Summary(t.Context(), m.id); err != nil || sum.LeftOut != 0 || sum.Messages != sum.Copied {
			t.Errorf("%+v, %v", sum, err)
		}
		if got := m.new.Snapshot(moverLogin).Folders["Archive"]; got == nil || len(got.Messages) != 1 {
			t.Errorf("the archive has %+v", got)
		}
		for _, bodies := range []bool{false, true} {
			m.wants(bodies)
		}
		m.sync() // copies nothing
	}
}

// TestArchivedBesideArchive: an old archive and all mail go to one folder. Verification sees what is
// gone from it, doubled or only there, and knows that people move their mail.
func TestArchivedBesideArchive(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	lone, old := lab.Generate(9, 4, 900), lab.Generate(8, 3, 900)
	m.old.FillMaildir(moverLogin, "INBOX.Archive", old)
	m.old.FillMaildir(moverLogin, "INBOX.Alles", slices.Concat(lab.Generate(1, 20, 800), old, lone))
	m.old.Open(moverLogin, "INBOX.Alles", "INBOX.Archive")
	if _, sums := m.verify(false); sums.Found[report.Missing] == 0 || sums.Same != 0 {
		t.Errorf("before: %+v", sums)
	}
	m.sync()
	m.wants(false)
	m.wants(true)
	if _, sums := m.verify(false); sums.OldMessages != sums.NewMessages || sums.Same != sums.OldMessages || sums.Found[report.Extra] != 0 {
		t.Errorf("after: %+v", sums)
	}
	const archive = "Archive" // 1 to 3 are of the old one, 4 to 7 of all mail
	m.on(archive, func(c *imapclient.Client) error { return expunge(c, 4) })
	damage := []string{"removed Alles|was copied, is gone from the new server"}
	m.wants(false, damage...)
	m.on(archive, func(c *imapclient.Client) error {
		_, err := c.Move(imap.UIDSetNum(5), "INBOX").Wait()
		return err
	})
	m.wants(false, damage...) // it is in the account
	m.on(archive, func(c *imapclient.Client) error {
		_, err := c.Copy(imap.UIDSetNum(6), archive).Wait()
		return err
	})
	damage = append(damage, "doubled Alles")
	m.wants(false, damage...)
	m.on(archive, func(c *imapclient.Client) error { return expunge(c, 1) })
	damage = append(damage, "removed Archive|was copied, is gone from the new server")
	m.wants(true, damage...)
	m.old.FillMaildir(moverLogin, "INBOX.Alles", lab.Generate(10, 1, 900))
	m.old.Open(moverLogin, "INBOX.Alles")
	m.wants(false, append(slices.Clone(damage), "missing Alles|not copied yet")...)
	m.sync()
	m.wants(false, damage...)
}

// TestLeftOutByRule: what a folder holds that the configuration leaves alone is told as a number, and is
// nothing that verification doubts.
func TestLeftOutByRule(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.cfg.Domains[0].Folders.Skip = []string{"Projekte/*"}
	m.sync()
	var told []string
	v := verify.Verification{Config: &m.cfg, Store: m.store, Log: zerolog.Nop(), Tell: func(e report.VerifyEvent) error {
		if e.Finding != nil && e.Finding.Kind == report.FolderSkipped {
			told = append(told, e.Finding.Folder+": "+e.Finding.Old.String())
		}
		return nil
	}}
	if err := v.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if want := "Projekte/Übersicht: 5 messages left out"; len(told) != 1 || told[0] != want {
		t.Errorf("told %q, want %q", told, want)
	}
	if row := m.row("Projekte/Übersicht"); row.LeftOut != 5 {
		t.Errorf("%+v", row)
	}
	m.wants(false)
}
