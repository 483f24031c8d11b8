package control

import (
	"io"
	"postferry/report"
)

// QuarantineQuery chooses messages: all of the accounts of Names, and the
// single ones whose IDs are among them; all of everybody if it is empty.
type QuarantineQuery struct {
	Names    []string `json:"names,omitempty"`
	Repaired bool     `json:"repaired,omitempty"` // those repaired instead of those in quarantine
}

// QuarantineSink takes a message the old server delivers. body is nil, and
// missing says why, if it does not.
type QuarantineSink func(rec report.QuarantineRecord, body io.Reader, missing string) error

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
	Record  *report.QuarantineRecord `json:"record,omitempty"`
	Data    []byte                   `json:"data,omitempty"`
	Whole   bool                     `json:"whole,omitempty"`
	Missing string                   `json:"missing,omitempty"`
	End     bool                     `json:"end,omitempty"`
	Error   *replyError              `json:"error,omitempty"`
}

type retryReply struct {
	Released int         `json:"released"`
	Error    *replyError `json:"error,omitempty"`
}
