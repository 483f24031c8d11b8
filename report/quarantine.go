package report

import (
	"time"

	"postferry/report/reason"
)

// QuarantineRecord is one message, as quarantine list --json prints it. Its
// help describes the fields; some may join, those there keep their names and
// meaning.
type QuarantineRecord struct {
	ID       string        `json:"id"`
	Login    string        `json:"login"`
	Folder   string        `json:"folder"`
	Key      string        `json:"key"`
	Reason   reason.Reason `json:"reason"`
	Cause    string        `json:"cause"`
	Attempts uint32        `json:"attempts"`
	Since    time.Time     `json:"since"`
	Last     time.Time     `json:"last"`
	Repair   reason.Reason `json:"repair,omitempty"` // of a message that was repaired; reason, cause and attempts are empty
}
