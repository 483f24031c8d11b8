package syncer_test

import (
	"testing"

	"github.com/rs/zerolog"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer"
)

// TestLeftOutAtDovecot: of two messages in a folder with the special use \All one lies in INBOX
// too. Plan, rows, summary and verification tell of the other.
func TestLeftOutAtDovecot(t *testing.T) {
	m := startMove(t)
	both, lone := lab.Generate(1, 20, 800)[0], lab.Generate(9, 1, 900)[0]
	m.old.FillMaildir(moverLogin, "INBOX.Alles", []lab.Msg{both, lone})
	m.old.Open(moverLogin, "INBOX.Alles")
	if p := m.plan(); p.LeftOut != 1 || planned(p, "Alles").LeftOut != 1 || planned(p, "INBOX").LeftOut != 0 {
		t.Errorf("planned before: %+v", p)
	}
	m.sync()
	if p := m.plan(); p.LeftOut != 1 || p.Copy != 0 {
		t.Errorf("planned after: %+v", p)
	}
	if row := m.row("Alles"); row.State != store.FolderSkipped || row.LeftOut != 1 {
		t.Errorf("%+v", row)
	}
	if sum, err := m.store.Summary(t.Context(), m.id); err != nil || sum.LeftOut != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	for _, bodies := range []bool{false, true} {
		m.wants(bodies, "left-out Alles|in no folder that is copied")
	}
	if _, sums := m.verify(false); sums.Found[syncer.LeftOut] != 1 || !sums.Found.Has(syncer.Doubtful) {
		t.Errorf("%+v", sums)
	}
}

// TestLeftOutByRule: what a folder holds that the configuration leaves alone is told as a number, and is
// nothing that verification doubts.
func TestLeftOutByRule(t *testing.T) {
	m := startMove(t)
	m.cfg.Domains[0].Folders.Skip = []string{"Projekte/*"}
	m.sync()
	var told []string
	v := syncer.Verification{Config: &m.cfg, Store: m.store, Log: zerolog.Nop(), Tell: func(e syncer.VerifyEvent) error {
		if e.Finding != nil && e.Finding.Kind == syncer.FolderSkipped {
			told = append(told, e.Finding.Folder+": "+e.Finding.Old)
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
