package report

import (
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/wire"
)

// Problem is what keeps an account from being copied, as it is shown.
type Problem struct {
	Kind        store.ProblemKind `json:"kind"`
	NeedsPerson bool              `json:"-"` // it does not pass by itself
	Server      store.Side        `json:"server"`
	Host        string            `json:"host"`
	Summary     reason.Reason     `json:"summary"`
	Cause       string            `json:"cause"`
	Advice      store.Advice      `json:"advice"`
	Folder      string            `json:"folder"`
	Since       time.Time         `json:"since"`
	Retry       *time.Time        `json:"retry_at"`
}

// ProblemOf is a problem as it is shown; nil for none.
func ProblemOf(p *store.Problem) *Problem {
	if p == nil {
		return nil
	}
	return &Problem{Kind: p.Kind, NeedsPerson: p.NeedsPerson(), Server: p.Server, Host: p.Host, Summary: p.Summary, Cause: p.Cause,
		Advice: p.Advice, Folder: p.Folder, Since: p.Since, Retry: TimeOrNil(p.Retry)}
}

// Figures are sums of what passes did.
type Figures struct {
	Copied      uint64 `json:"copied"`
	Adopted     uint64 `json:"adopted"` // recognised on the new server and not copied again
	FlagChanges uint64 `json:"flag_changes"`
	Bytes       uint64 `json:"octets"`
	Quarantined uint64 `json:"quarantined"`
}

// Pass is one run over an account, as it is shown.
type Pass struct {
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Complete bool      `json:"complete"`
	Figures
	Error   reason.Reason `json:"error"`
	Problem Problem       `json:"-"` // what is known of it
}

// PassOf is a pass as it is shown.
func PassOf(p *store.Pass) Pass {
	var figures store.Figures
	figures.Add(*p)
	return Pass{Started: p.Started, Ended: p.Ended, Complete: p.Complete, Figures: Figures(figures), Error: p.Error,
		Problem: Problem{Kind: p.Kind, Server: p.Server, Host: p.Host, Folder: p.Folder, Summary: p.Error}}
}

// FolderStatus is a folder of an account with what goes on with it. As with Account, the names in JSON
// are those of the API.
type FolderStatus struct {
	ID          store.FolderID    `json:"id"`
	Title       string            `json:"folder"`
	NewTitle    string            `json:"new_folder"` // "" where there is none yet, or no more
	Name        string            `json:"-"`          // the one on the new server, also one that is planned or was
	State       store.FolderState `json:"state"`
	Reason      reason.Reason     `json:"reason"` // why it is left alone; "" if it is not
	Note        reason.Reason     `json:"-"`      // what there is to say of it, that included
	Running     bool              `json:"running"`
	Complete    bool              `json:"complete"`
	Messages    uint64            `json:"messages"`
	Copied      uint64            `json:"copied"`
	Quarantined uint64            `json:"quarantined"`
	LeftOut     uint64            `json:"left_out"` // messages that are deliberately not copied, or don't come because the folder is missing
	Octets      uint64            `json:"octets"`
	OctetsTotal uint64            `json:"octets_total"`
	Missing     *time.Time        `json:"missing_since"`
	Looks       uint32            `json:"-"` // for a missing one, hours apart
	Checked     *time.Time        `json:"checked"`
	Problem     *Problem          `json:"-"` // the account's, if it happened here
}

// FolderOf is a folder with what goes on with it; p is the account's problem, nil if there is none.
func FolderOf(f *Folder, p *store.Problem) FolderStatus {
	s := FolderStatus{
		ID: f.ID, Title: f.Title, Name: wire.DecodeMailbox(f.New), State: f.State, Note: f.Note, Running: f.Running,
		Complete: !f.Checkpoint.Checked.IsZero(), Messages: max(uint64(f.Checkpoint.Messages), f.Total), Copied: f.Copied,
		Quarantined: f.Quarantined, LeftOut: f.LeftOut, Octets: f.OctetsDone, OctetsTotal: f.OctetsTotal, Checked: TimeOrNil(f.Checkpoint.Checked),
	}
	switch f.State {
	case store.FolderPresent:
		s.NewTitle = s.Name
	case store.FolderMissing:
		s.NewTitle, s.Missing, s.Looks = s.Name, TimeOrNil(f.Folder.Missing.Since), f.Folder.Missing.Looks
	case store.FolderSkipped:
		s.Reason = f.Note
	}
	if p != nil && p.Folder != "" && p.Folder == f.Title {
		s.Problem = ProblemOf(p)
	}
	return s
}
