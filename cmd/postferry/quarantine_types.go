package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"postferry/store"
)

// quarantineQuery chooses messages: all of the accounts of Names, and the
// single ones whose IDs are among them; all of everybody if it is empty.
type quarantineQuery struct {
	Names    []string `json:"names,omitempty"`
	Repaired bool     `json:"repaired,omitempty"` // those repaired instead of those in quarantine
}

// quarantineRecord is one message, as quarantine list --json prints it. Its
// help describes the fields; some may join, those there keep their names and
// meaning.
type quarantineRecord struct {
	ID       string    `json:"id"`
	Login    string    `json:"login"`
	Folder   string    `json:"folder"`
	Key      string    `json:"key"`
	Reason   string    `json:"reason"`
	Cause    string    `json:"cause"`
	Attempts uint32    `json:"attempts"`
	Since    time.Time `json:"since"`
	Last     time.Time `json:"last"`
	Repair   string    `json:"repair,omitempty"` // of a message that was repaired; reason, cause and attempts are empty
}

// quarantineSink takes a message the old server delivers. body is nil, and
// missing says why, if it does not.
type quarantineSink func(rec quarantineRecord, body io.Reader, missing string) error

// messageID names a message in lists and on command lines.
type messageID struct {
	account store.AccountID
	folder  store.FolderID
	key     store.Key
}

func (m messageID) String() string {
	return fmt.Sprintf("%d.%d.%x", m.account, m.folder, string(m.key))
}

// parseMessageID is the reverse of String.
func parseMessageID(s string) (m messageID, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return m, false
	}
	account, err1 := strconv.ParseUint(parts[0], 10, 64)
	folder, err2 := strconv.ParseUint(parts[1], 10, 32)
	key, err3 := hex.DecodeString(parts[2])
	if err1 != nil || err2 != nil || err3 != nil || len(key) == 0 {
		return m, false
	}
	return messageID{store.AccountID(account), store.FolderID(folder), store.Key(key)}, true
}

// The quarantine's part of what the control socket speaks.
const (
	pathQuarantine      = "/v1/quarantine"          // POST quarantineQuery -> quarantineReply...
	pathQuarantineRetry = "/v1/quarantine/retry"    // POST quarantineQuery -> retryReply
	pathQuarantineMail  = "/v1/quarantine/messages" // POST quarantineQuery -> quarantineReply...
)

// quarantineReply is one line of an answer. A message is a Record, for those
// asked for with their bodies followed by lines of Data, the last of which
// says Whole; or by one that says what is Missing.
type quarantineReply struct {
	Record  *quarantineRecord `json:"record,omitempty"`
	Data    []byte            `json:"data,omitempty"`
	Whole   bool              `json:"whole,omitempty"`
	Missing string            `json:"missing,omitempty"`
	End     bool              `json:"end,omitempty"`
	Error   *controlError     `json:"error,omitempty"`
}

type retryReply struct {
	Released int           `json:"released"`
	Error    *controlError `json:"error,omitempty"`
}
