package transfers

import (
	"time"

	"postferry/report"
	"postferry/report/reason"
)

// Quarantined is a message that one of the servers refuses, as the API tells it.
type Quarantined struct {
	ID       string        `json:"id"`
	Login    string        `json:"-"` // that of the account it is asked for
	Folder   string        `json:"folder"`
	Key      string        `json:"key"`
	Reason   reason.Reason `json:"reason"`
	Cause    string        `json:"cause"`
	Attempts uint32        `json:"attempts"`
	Since    time.Time     `json:"since"`
	Last     time.Time     `json:"last"`
	Repair   reason.Reason `json:"-"` // those that were repaired are not asked for
}

// ViewQuarantined are messages as the API tells them.
func ViewQuarantined(messages []report.QuarantineRecord) []Quarantined {
	views := make([]Quarantined, len(messages))
	for i, m := range messages {
		views[i] = Quarantined(m)
	}
	return views
}
