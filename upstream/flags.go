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

// manyFlags are more than messages have. flagOctets is what one takes beside its text.
const (
	manyFlags  = 100
	flagOctets = 16
)

// flag makes a flag of a word, without allocating for one that was seen before.
func (p *parser) flag(word []byte) imap.Flag {
	if f, ok := p.keywords[string(word)]; ok {
		return f
	}
	f := imap.Flag(word)
	for _, system := range append(systemFlags[:], flagRecent) {
		if strings.EqualFold(string(system), string(word)) {
			f = system
		}
	}
	if len(p.keywords) < maxKeywords {
		p.keywords[string(word)] = f
	} else {
		p.bounds.spend(flagOctets + len(word))
	}
	return f
}

// forgetKeywords makes room for those of another folder.
func (p *parser) forgetKeywords() {
	if len(p.keywords) == maxKeywords {
		clear(p.keywords)
	}
}

// readFlags reads a list of flags: sorted, without \Recent, each once.
func (p *parser) readFlags() []imap.Flag {
	var room [8]imap.Flag
	flags := room[:0]
	p.words(func(word []byte) {
		if f := p.flag(word); f != flagRecent {
			flags = append(flags, f)
		}
	})
	if len(flags) > manyFlags {
		p.bounds.spend(len(flags) * flagOctets)
	}
	if len(flags) == 0 {
		return nil
	}
	slices.Sort(flags)
	return slices.Clone(slices.Compact(flags))
}
