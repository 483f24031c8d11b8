package control

import (
	"io"
	"time"

	"postferry/report/reason"
)

// QuarantineQuery chooses messages: all of the accounts of Names, and the
// single ones whose IDs are among them; all of everybody if it is empty.
type QuarantineQuery struct {
	Names    []string `json:"names,omitempty"`
	Repaired bool     `json:"repaired,omitempty"` // those repaired instead of those in quarantine
}

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

// QuarantineSink takes a message the old server delivers. body is nil, and
// missing says why, if it does not.
type QuarantineSink func(rec QuarantineRecord, body io.Reader, missing string) error

// The quarantine's part of what the control socket speaks.
const (
	pathQuarantine      = "/v1/quarantine"          // POST QuarantineQuery -> quarantineReply...
	pathQuarantineRetry = "/v1/quarantine/retry"    // POST QuarantineQuery -> retryReply
	pathQuarantineMail  = "/v1/quarantine/messages" // POST QuarantineQuery -> quarantineReply...
)

// quarantineReply is one line of an answer. A message is a Record, for those
// asked for with their bodies followed by lines of Data, the last of which
// says Whole; or by one that says what is Missing.
type quarantineReply struct {
	Record  *QuarantineRecord `json:"record,omitempty"`
	Data    []byte            `json:"data,omitempty"`
	Whole   bool              `json:"whole,omitempty"`
	Missing string            `json:"missing,omitempty"`
	End     bool              `json:"end,omitempty"`
	Error   *replyError       `json:"error,omitempty"`
}

type retryReply struct {
	Released int         `json:"released"`
	Error    *replyError `json:"error,omitempty"`
}
