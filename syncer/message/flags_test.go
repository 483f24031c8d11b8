package message

import (
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

func flags(names ...imap.Flag) []imap.Flag { return names }

func TestNormalise(t *testing.T) {
	tests := []struct {
		name     string
		in, want []imap.Flag
	}{
		{"nothing", nil, flags()},
		{"sorted", flags(`\Seen`, `\Answered`, `$Label1`), flags(`$Label1`, `\Answered`, `\Seen`)},
		{"recent goes", flags(`\Recent`, `\RECENT`, `\Seen`), flags(`\Seen`)},
		{"wildcard goes", flags(`\*`, ``, `\Draft`), flags(`\Draft`)},
		{"odd spelling", flags(`\SEEN`, `\seen`, `\DELETED`), flags(`\Deleted`, `\Seen`)},
		{"keyword in two spellings", flags(`NonJunk`, `NONJUNK`, `nonjunk`), flags(`NONJUNK`)},
		{"keyword's spelling stays", flags(`$MDNSent`), flags(`$MDNSent`)},
		{"unknown system flag stays", flags(`\Forwarded`), flags(`\Forwarded`)},
		{"a prefix is another flag", flags(`work`, `Work2`), flags(`work`, `Work2`)},
		{"8-bit keyword", flags("gr\xfcn", "Gr\xdcn"), flags("Gr\xdcn", "gr\xfcn")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.in)
			if got := NormaliseFlags(tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !slices.Equal(tt.in, before) {
				t.Errorf("the argument became %q", tt.in)
			}
		})
	}
}

func TestFlagDelta(t *testing.T) {
	tests := []struct {
		name          string
		before, after []imap.Flag
		add, remove   []imap.Flag
	}{
		{"nothing", flags(`\Seen`), flags(`\Seen`), nil, nil},
		{"read", nil, flags(`\Seen`), flags(`\Seen`), nil},
		{"unread again", flags(`\Seen`, `\Flagged`), flags(`\Flagged`), nil, flags(`\Seen`)},
		{"both ways", flags(`\Seen`, `$Label1`), flags(`\Answered`, `\Seen`), flags(`\Answered`), flags(`$Label1`)},
		{"recent is no change", flags(`\Recent`), nil, nil, nil},
		{"another spelling is no change", flags(`$Junk`, `\seen`), flags(`$JUNK`, `\Seen`), nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			add, remove := FlagChanges(tt.before, tt.after)
			if !slices.Equal(add, tt.add) || !slices.Equal(remove, tt.remove) {
				t.Errorf("got +%q -%q, want +%q -%q", add, remove, tt.add, tt.remove)
			}
		})
	}
}

func TestPermitted(t *testing.T) {
	all := flags(`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`)
	tests := []struct {
		name          string
		in, permanent []imap.Flag
		any           bool
		keep, dropped []imap.Flag
	}{
		{"Dovecot takes new keywords", flags(`\Seen`, `$Label1`), all, true, flags(`$Label1`, `\Seen`), nil},
		{"Exchange takes none", flags(`\Seen`, `$Label1`, `\Flagged`), all, false, flags(`\Flagged`, `\Seen`), flags(`$Label1`)},
		{"a keyword that is listed", flags(`$LABEL1`, `$Label2`), append(flags(`$Label1`), all...), false, flags(`$LABEL1`), flags(`$Label2`)},
		{"an invented system flag", flags(`\Forwarded`, `\Seen`), all, true, flags(`\Seen`), flags(`\Forwarded`)},
		{"no draft flag there", flags(`\Draft`, `\Seen`), flags(`\Seen`), true, flags(`\Seen`), flags(`\Draft`)},
		{"not told", flags(`\Forwarded`, `\Seen`, `Work`), nil, false, flags(`\Seen`, `Work`), flags(`\Forwarded`)},
		{"nothing is permanent", flags(`\Seen`, `Work`), []imap.Flag{}, false, nil, flags(`\Seen`, `Work`)},
		{"recent is the server's", flags(`\Recent`), all, true, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keep, dropped := PermittedFlags(tt.in, tt.permanent, tt.any)
			if !slices.Equal(keep, tt.keep) || !slices.Equal(dropped, tt.dropped) {
				t.Errorf("got %q and %q, want %q and %q", keep, dropped, tt.keep, tt.dropped)
			}
		})
	}
}

// What flagDelta finds between two looks, applied to the user's flags, gives
// for each flag: the old server's state where it changed there, else the user's.
func TestFlagDeltaIsThreeWay(t *testing.T) {
	some := rapid.SliceOf(rapid.SampledFrom(flags(`\Seen`, `\SEEN`, `\Flagged`, `\Deleted`, `$Junk`, `$junk`, `a`, `\Recent`)))
	rapid.Check(t, func(t *rapid.T) {
		ledger, old, user := some.Draw(t, "ledger"), some.Draw(t, "old"), NormaliseFlags(some.Draw(t, "user"))
		add, remove := FlagChanges(ledger, old)
		merged := NormaliseFlags(append(WithoutFlags(user, remove), add...))
		for _, f := range flags(`\Seen`, `\Flagged`, `\Deleted`, `$Junk`, `a`) {
			want := ContainsFlag(user, f)
			if was, is := ContainsFlag(ledger, f), ContainsFlag(old, f); was != is {
				want = is
			}
			if got := ContainsFlag(merged, f); got != want {
				t.Fatalf("%s: got %v, want %v (+%q -%q)", f, got, want, add, remove)
			}
		}
	})
}
