package control

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// The forms below are the types of package report with the names that status --json and the
// socket use. Go converts one into the other; what both have in it is said once, there. The help
// of status describes the names; some may join, those here keep their meaning.

// AccountStatus is one account.
type AccountStatus report.Account

type accountForm struct {
	ID              store.AccountID     `json:"-"`
	Login           string              `json:"login"`
	OldLogin        string              `json:"-"`
	NewLogin        string              `json:"-"`
	Domain          string              `json:"domain"`
	AliasOf         *string             `json:"alias_of,omitempty"`
	Origin          store.Origin        `json:"origin"`
	Created         time.Time           `json:"-"`
	Stored          store.State         `json:"state"`
	State           report.AccountState `json:"-"`
	Running         bool                `json:"running"`
	Complete        bool                `json:"complete"`
	report.Progress `json:"-"`
	LastPass        *time.Time            `json:"-"`
	Pass            *report.Pass          `json:"-"`
	Problem         *report.Problem       `json:"-"`
	Folders         []report.FolderStatus `json:"-"`
}

type progressForm struct {
	Folder            string         `json:"current_folder,omitempty"`
	Messages          uint64         `json:"messages"`
	Copied            uint64         `json:"copied"`
	Quarantined       uint64         `json:"quarantined"`
	LeftOut           uint64         `json:"left_out,omitempty"`
	MessagesPerSecond float64        `json:"messages_per_second"`
	OctetsPerSecond   float64        `json:"bytes_per_second"`
	Octets            uint64         `json:"-"`
	OctetsDone        uint64         `json:"bytes,omitempty"`
	OctetsTotal       uint64         `json:"bytes_total,omitempty"`
	OctetsAbout       bool           `json:"bytes_about,omitempty"`
	RemainingSeconds  *int64         `json:"-"`
	Remaining         *time.Duration `json:"-"`
}

type figuresForm struct {
	Copied      uint64 `json:"copied"`
	Adopted     uint64 `json:"adopted"`
	FlagChanges uint64 `json:"flag_changes"`
	Bytes       uint64 `json:"bytes"`
	Quarantined uint64 `json:"quarantined"`
}

type passHead struct {
	Started        time.Time `json:"started"`
	Ended          time.Time `json:"ended"`
	Complete       bool      `json:"complete"`
	report.Figures `json:"-"`
	Error          reason.Reason  `json:"-"`
	Problem        report.Problem `json:"-"`
}

type passForm struct {
	passHead
	figuresForm
	Error reason.Reason `json:"error,omitempty"`
}

type problemForm struct {
	Kind        store.ProblemKind `json:"kind"`
	NeedsPerson bool              `json:"needs_person"`
	Server      store.Side        `json:"-"`
	Host        string            `json:"-"`
	Summary     reason.Reason     `json:"summary"`
	Cause       string            `json:"cause"`
	Advice      store.Advice      `json:"advice"`
	Folder      string            `json:"folder,omitempty"`
	Since       time.Time         `json:"since"`
	Retry       *time.Time        `json:"retry_at"`
}

type folderHead struct {
	ID          store.FolderID    `json:"-"`
	Title       string            `json:"folder"`
	NewTitle    string            `json:"-"`
	Name        string            `json:"new_name"`
	State       store.FolderState `json:"state"`
	Reason      reason.Reason     `json:"-"`
	Note        reason.Reason     `json:"note,omitempty"`
	Running     bool              `json:"-"`
	Complete    bool              `json:"-"`
	Messages    uint64            `json:"messages"`
	Copied      uint64            `json:"copied"`
	Quarantined uint64            `json:"quarantined"`
	LeftOut     uint64            `json:"left_out,omitempty"`
	Octets      uint64            `json:"-"`
	OctetsTotal uint64            `json:"-"`
	Missing     *time.Time        `json:"missing_since,omitempty"`
	Looks       uint32            `json:"looks,omitempty"`
	Checked     *time.Time        `json:"last_checked"`
	Problem     *report.Problem   `json:"-"`
}

type folderForm struct {
	folderHead
	Problem *problemForm `json:"last_error"`
}

// statusForm is an account in full.
type statusForm struct {
	accountForm
	progressForm
	SecondsLeft *float64     `json:"seconds_left,omitempty"` // while running and known
	Pass        *passForm    `json:"last_pass"`
	Problem     *problemForm `json:"last_error"`
	Folders     []folderForm `json:"folders,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (a AccountStatus) MarshalJSON() ([]byte, error) {
	f := statusForm{accountForm: accountForm(a), progressForm: progressForm(a.Progress), Problem: formOf(a.Problem)}
	if a.Remaining != nil {
		f.SecondsLeft = new(a.Remaining.Seconds())
	}
	if p := a.Pass; p != nil {
		f.Pass = &passForm{passHead: passHead(*p), figuresForm: figuresForm(p.Figures), Error: p.Error}
	}
	for _, x := range a.Folders {
		f.Folders = append(f.Folders, folderForm{folderHead(x), formOf(x.Problem)})
	}
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false) // whoever prints it decides that
	err := enc.Encode(f)
	return data.Bytes(), err
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *AccountStatus) UnmarshalJSON(data []byte) error {
	var f statusForm
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*a = AccountStatus(f.accountForm)
	a.Progress, a.Problem = report.Progress(f.progressForm), (*report.Problem)(f.Problem)
	if f.SecondsLeft != nil {
		a.Remaining = new(time.Duration(*f.SecondsLeft * float64(time.Second)))
	}
	if f.Pass != nil {
		p := report.Pass(f.Pass.passHead)
		p.Figures, p.Error = report.Figures(f.Pass.figuresForm), f.Pass.Error
		a.Pass = &p
	}
	for _, x := range f.Folders {
		folder := report.FolderStatus(x.folderHead)
		folder.Problem = (*report.Problem)(x.Problem)
		a.Folders = append(a.Folders, folder)
	}
	return nil
}

// formOf is a problem with the names of here; nil for none.
func formOf(p *report.Problem) *problemForm {
	if p == nil {
		return nil
	}
	f := problemForm(*p)
	f.Kind = cmp.Or(f.Kind, store.Unexpected)
	return &f
}
