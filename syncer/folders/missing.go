package folders

import (
	"fmt"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

// MissingProblem is what a pass ends with that had no other problem, if mail stays behind
// because folders are missing; nil if none does.
func (all List) MissingProblem(host string, interval time.Duration) *store.Problem {
	folders, messages := 0, uint64(0)
	var first *Folder
	for _, f := range all {
		if f.State == store.FolderMissing && f.LeftOut > 0 {
			folders, messages = folders+1, messages+f.LeftOut
			if first == nil {
				first = f
			}
		}
	}
	if first == nil {
		return nil
	}
	return &store.Problem{
		Kind: store.MissingFolder, Server: store.NewSide, Host: host, Folder: first.Title, Advice: store.RetryLater,
		Summary: missingReason(folders, messages),
		Cause:   fmt.Sprintf("looked for in vain since %s", first.Missing.Since.UTC().Format(time.RFC3339)),
		Since:   first.Missing.Since, Retry: time.Now().Add(interval),
	}
}

// missingReason says how many folders are missing, and how many messages stay behind, of each one at least.
func missingReason(folders int, messages uint64) reason.Reason {
	switch {
	case folders > 1:
		return reason.Of(reason.TroubleMissingMany, folders, messages)
	case messages > 1:
		return reason.Of(reason.TroubleMissing, messages)
	}
	return reason.Of(reason.TroubleMissingOne)
}

// renumberedMost is how often a folder's UIDVALIDITY may change before it stops meaning anything:
// some servers have another one whenever a folder is opened.
const renumberedMost = 2
