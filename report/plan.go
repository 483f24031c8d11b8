package report

import (
	"fmt"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

// AccountPlan is what a pass would do for an account.
type AccountPlan struct {
	Account   store.AccountID `json:"-"`
	Login     string          `json:"login"`
	Folders   []FolderPlan    `json:"folders"`
	Subscribe []string        `json:"subscribe"` // decoded names on the new server
	Notes     []reason.Reason `json:"notes"`     // what is renamed or left out, and why
	Copy      uint64          `json:"copy"`      // messages, at most: those found on the new server already are adopted
	Bytes     uint64          `json:"bytes"`     // octets of these
	TooLarge  uint64          `json:"too_large"` // of these, the new server's APPENDLIMIT refuses so many
	Left      uint64          `json:"left"`      // messages that stay behind, as their folders are missing on the new server
	LeftOut   uint64          `json:"left_out"`  // messages that are deliberately not copied
	// Limit is that APPENDLIMIT in octets; 0 if the new server tells none.
	Limit int64 `json:"limit,omitempty"`
	// Lacks says which quota of the new server is too small, "" if none is
	// known to be.
	Lacks string `json:"lacks,omitempty"`
	Lack  *Lack  `json:"-"` // the same in figures; nil if there is none
	// Problem is why there is no plan, "" if there is one, and Cause what the
	// server said.
	Problem reason.Reason `json:"problem,omitempty"`
	Cause   string        `json:"cause,omitempty"`
	// Quotas are all that the new server tells of the account's.
	Quotas []Quota `json:"-"`
	// Trouble is that of a check with each server, nil where there was none.
	Trouble map[store.Side]*store.Problem `json:"-"`
}

// Lack is a quota of the new server that is too small.
type Lack struct {
	Resource   string
	Need, Room uint64 // octets for STORAGE, messages for MESSAGE
}

// String says it in a sentence.
func (l *Lack) String() string {
	if l.Resource == "STORAGE" {
		return fmt.Sprintf("%d KB are needed at most, the quota has room for %d KB", l.Need/1024+min(l.Need%1024, 1), l.Room/1024)
	}
	return fmt.Sprintf("room for %d messages is needed at most, the quota has room for %d", l.Need, l.Room)
}

// Fits tells whether all of the account would come to the new server, as far
// as can be seen before.
func (p AccountPlan) Fits() bool {
	return p.Problem == "" && p.Lacks == "" && p.TooLarge == 0 && p.Left == 0
}

// FolderAction is what a pass would do with a folder.
type FolderAction string

// What becomes of a folder of the old server.
const (
	FolderCreated FolderAction = "create"  // it is made and filled
	FolderFilled  FolderAction = "fill"    // it is there and is filled
	FolderLeft    FolderAction = "skip"    // it is left alone: a view, of another namespace, or left out by the configuration
	FolderGone    FolderAction = "gone"    // its user deleted it on the new server
	FolderAway    FolderAction = "missing" // it is not on the new server any more
)

// FolderPlan is what a pass would do for a folder.
type FolderPlan struct {
	Folder    string        `json:"folder"`     // title on the old server
	NewFolder string        `json:"new_folder"` // decoded name on the new server
	Action    FolderAction  `json:"action"`
	Reason    reason.Reason `json:"reason,omitempty"` // why it is skipped
	Messages  uint64        `json:"messages"`         // on the old server
	Copy      uint64        `json:"copy"`             // at most
	Bytes     uint64        `json:"bytes"`
	TooLarge  uint64        `json:"too_large"`
	Left      uint64        `json:"left"` // stay behind, as the folder is missing on the new server
	// Unknown are messages of the new server's folder that the ledger does not
	// know: some of Copy may be among them, and would be adopted.
	Unknown uint64 `json:"unknown"`
	// LeftOut messages are deliberately not copied: what a folder that is left alone holds, of a
	// view what lies in no folder that is copied.
	LeftOut uint64 `json:"left_out"`
	// Problem is why the folder can't be read, "" if it can.
	Problem reason.Reason  `json:"problem,omitempty"`
	Trouble *store.Problem `json:"-"` // the same, nil if it can
}

// Quota is a limit of the new server (RFC 9208).
type Quota struct {
	Resource string // "STORAGE", in units of 1024 octets; "MESSAGE", or another
	Used     uint64
	Limit    uint64
}

// Pace is how fast mail is copied, of one account.
type Pace struct {
	Messages float64 `json:"messages"` // a second
	Bytes    float64 `json:"bytes"`    // octets a second
	Measured bool    `json:"measured"` // in earlier passes; otherwise assumed
	Accounts int     `json:"accounts"` // that are copied at the same time
}

// Time is how long so many messages and octets of one account take: what is
// the slower of the two.
func (p Pace) Time(messages, bytes uint64) time.Duration {
	seconds := max(float64(messages)/p.Messages, float64(bytes)/p.Bytes)
	return time.Duration(seconds * float64(time.Second))
}

// Check is what a check found of an account: what would be done, and how long that takes.
type Check struct {
	AccountPlan
	Estimate time.Duration
	AtOnce   int // accounts that are copied at the same time
}

// Ready tells whether both logins work and all of the account would come to the new server, as far as can
// be seen before.
func (c *Check) Ready() bool {
	return c.Problem == "" && len(c.Trouble) == 0 && c.Lacks == "" && c.TooLarge == 0
}
