package upstream

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// systemFlags are flags in the spelling we use, whatever the server's case.
var systemFlags = [...]imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft}

const flagRecent imap.Flag = `\Recent`

// maxKeywords bounds the memory of keywords seen.
const maxKeywords = 1000

// flag makes a flag of a word, without allocating for one that was seen before.
func (s *Session) flag(word []byte) imap.Flag {
	if f, ok := s.keywords[string(word)]; ok {
		return f
	}
	f := imap.Flag(word)
	for _, system := range append(systemFlags[:], flagRecent) {
		if strings.EqualFold(string(system), string(word)) {
			f = system
		}
	}
	if len(s.keywords) < maxKeywords {
		s.keywords[string(word)] = f
	}
	return f
}

// readFlags reads a list of flags: sorted, without \Recent, each once.
func (s *Session) readFlags() []imap.Flag {
	d := s.dec
	var room [8]imap.Flag
	flags := room[:0]
	d.List(func() {
		if word := d.Word(); len(word) > 0 {
			if f := s.flag(word); f != flagRecent {
				flags = append(flags, f)
			}
		}
	})
	if len(flags) == 0 {
		return nil
	}
	slices.Sort(flags)
	return slices.Clone(slices.Compact(flags))
}
