package job

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
)

// NewQuarantined is a first entry in the quarantine.
func NewQuarantined(key store.Key, why reason.Reason, cause string) *store.Quarantined {
	now := time.Now()
	return &store.Quarantined{Key: key, Reason: why, Cause: cause, Attempts: 1, Since: now, Last: now}
}

// Told are the copies that an attempt has left to be judged, by their messages.
type Told map[store.Key]ToldCopy

// ToldCopy is where such a copy is.
type ToldCopy struct {
	UIDValidity uint32
	UID         imap.UID
	Size        int64 // that it has there
}

// NotAsGiven is the quarantine's entry of a message whose copy is not what was sent.
func NotAsGiven(key store.Key, sent uint32, stored int64) *store.Quarantined {
	return NewQuarantined(key, reason.Of(reason.ChangedNew),
		fmt.Sprintf("given %d octets, under the UID that it told it has %d", sent, stored))
}

func HasKeyword(flags []imap.Flag) bool {
	return slices.ContainsFunc(flags, func(f imap.Flag) bool { return !strings.HasPrefix(string(f), `\`) })
}
