package message

import (
	"cmp"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/asciifold"
)

// SystemFlags are the flags that every server knows (RFC 9051 section 2.3.2)
// and that a client may set; \Recent is the server's own.
var SystemFlags = []imap.Flag{
	imap.FlagAnswered, imap.FlagDeleted, imap.FlagDraft, imap.FlagFlagged, imap.FlagSeen,
}

const flagRecent imap.Flag = `\Recent`

// NormaliseFlags returns flags sorted by their lower-case form, each once, without
// \Recent and \*. System flags get their standard spelling; of a keyword that
// comes in several spellings the first in byte order stays, as flags are
// case-insensitive (RFC 9051 section 9, note 1). flags itself is not changed.
func NormaliseFlags(flags []imap.Flag) []imap.Flag {
	out := make([]imap.Flag, 0, len(flags))
	for _, f := range flags {
		if f == "" || f == imap.FlagWildcard || SameFlag(f, flagRecent) {
			continue
		}
		out = append(out, standardSpelling(f))
	}
	slices.SortFunc(out, compareFlags)
	return slices.CompactFunc(out, SameFlag)
}

// FlagChanges returns what was added to and removed from a message's flags
// between two looks at it. Both results are in normal form. Applied to the
// new server's message, whatever its flags have become there, this is the
// three-way merge: a flag that did not change on the old server is left as
// the user has it.
func FlagChanges(before, after []imap.Flag) (add, remove []imap.Flag) {
	before, after = NormaliseFlags(before), NormaliseFlags(after)
	return WithoutFlags(after, before), WithoutFlags(before, after)
}

// PermittedFlags splits flags into those the folder can keep and those it can't.
// permanent is its PERMANENTFLAGS and any says that \* was among them, so that
// new keywords (but no other system flags) may be made up. A nil permanent
// means that the server did not say: then all flags can be kept (RFC 9051
// section 7.1), as far as they are standard system flags or keywords.
func PermittedFlags(flags, permanent []imap.Flag, any bool) (keep, dropped []imap.Flag) {
	if permanent == nil {
		permanent, any = SystemFlags, true
	}
	for _, f := range NormaliseFlags(flags) {
		keyword := !strings.HasPrefix(string(f), `\`)
		if any && keyword || ContainsFlag(permanent, f) {
			keep = append(keep, f)
		} else {
			dropped = append(dropped, f)
		}
	}
	return keep, dropped
}

// WithoutFlags returns the flags of a that are not in b.
func WithoutFlags(a, b []imap.Flag) []imap.Flag {
	var out []imap.Flag
	for _, f := range a {
		if !ContainsFlag(b, f) {
			out = append(out, f)
		}
	}
	return out
}

func ContainsFlag(flags []imap.Flag, f imap.Flag) bool {
	return slices.ContainsFunc(flags, func(g imap.Flag) bool { return SameFlag(f, g) })
}

func standardSpelling(f imap.Flag) imap.Flag {
	for _, s := range SystemFlags {
		if SameFlag(f, s) {
			return s
		}
	}
	return f
}

// SameFlag ignores the case of ASCII letters; a flag is an atom, so there are
// no others.
func SameFlag(a, b imap.Flag) bool {
	return len(a) == len(b) && asciifold.Compare(string(a), string(b)) == 0
}

func compareFlags(a, b imap.Flag) int {
	return cmp.Or(asciifold.Compare(string(a), string(b)), strings.Compare(string(a), string(b)))
}
