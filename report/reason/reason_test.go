package reason

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestReason: a reason is its code and values, in one string that can be compared, and English words.
func TestReason(t *testing.T) {
	repairs := All(Of(BareLFMade), Of(FlagsLeft, "$a $b"))
	tests := []struct {
		reason  Reason
		code    Code
		encoded string
		words   string
	}{
		{"", "", "", ""},
		{Of(Never), Never, "reason.never", "never copied"},
		{Of(TooLarge, "2 MB", "1 kB"), TooLarge, "reason.too_large?Limit=1+kB&Size=2+MB", "The message (2 MB) is larger than the new server takes (1 kB)."},
		{repairs, BareLFMade, "repair.bare_lf;repair.flags?Flags=%24a+%24b", "bare LF made CRLF, flags left out: $a $b"},
		{Of(RefusedRepaired, repairs), RefusedRepaired, "", "The new server refuses this message, also after a repair (bare LF made CRLF, flags left out: $a $b)."},
		{Of(LeftShared), LeftShared, "folder_left.shared", "in a shared namespace"},
		{Of(LeftShared, "Public;x"), LeftShared, "folder_left.shared?Of=Public%3Bx", `in the shared namespace "Public;x"`},
		{Of(NoteLeft, `a "b"`, Of(LeftByConfig, "a*")), NoteLeft, "", `"a \"b\"" is not copied: skip has "a*" in the configuration`},
		{Of(NoteOmitted, "x", 53, 10), NoteOmitted, "", `"x" and others are not copied: these 53 are more folders than the 10 that are made for one account (sync.max_folders)`},
		{Said("something else"), "", "said?Words=something+else", "something else"},
		{Said(""), "", "", ""},
		{All(Of(NULReplaced), "", Said("x, y")), NULReplaced, "repair.nul;said?Words=x%2C+y", "NUL octets replaced by 0x80, x, y"},
		{"reason.of_a_later_version?A=b", "reason.of_a_later_version", "", "reason.of_a_later_version?A=b"},
	}
	for _, tt := range tests {
		if tt.reason.Code() != tt.code || tt.reason.String() != tt.words || tt.encoded != "" && string(tt.reason) != tt.encoded {
			t.Errorf("%s: code %q, words %q", string(tt.reason), tt.reason.Code(), tt.reason)
		}
	}
	if r := tests[2].reason; r.Value("Size") != "2 MB" || r.Value("Else") != "" || len(r.Values()) != 2 {
		t.Errorf("the values of %s are %q", string(r), r.Values())
	}
}

// TestJSON: programs are told the words, and who shows what he is told needs no more.
func TestJSON(t *testing.T) {
	type line struct {
		Reason Reason   `json:"reason,omitempty"`
		Notes  []Reason `json:"notes"`
	}
	data, err := json.Marshal(line{Of(Octets, 7), []Reason{Of(NoteFound, "a<b")}})
	if err != nil || string(data) != `{"reason":"7 octets","notes":["\"a\u003cb\" is on the new server again; it goes on there"]}` {
		t.Errorf("%s, %v", data, err)
	}
	var back line
	if err := json.Unmarshal(data, &back); err != nil || back.Reason.String() != "7 octets" || back.Reason.Code() != "" || len(back.Notes) != 1 {
		t.Errorf("%+v, %v", back, err)
	}
	if data, err := json.Marshal(line{}); err != nil || string(data) != `{"notes":null}` {
		t.Errorf("%s, %v", data, err)
	}
}

// TestTexts: every code has English words, with as many values as it has names.
func TestTexts(t *testing.T) {
	declared := declaredCodes(t)
	for _, code := range declared {
		if _, ok := texts[code]; !ok {
			t.Errorf("%s has no text", code)
		}
	}
	if len(declared) != len(texts) {
		t.Errorf("%d codes, %d texts", len(declared), len(texts))
	}
	for code, text := range texts {
		if n := len(verb.FindAllString(text.format, -1)); n != len(text.names) || n != strings.Count(text.format, "%") {
			t.Errorf("%s: %d values go into %q, whose names are %q", code, n, text.format, text.names)
		}
	}
}

// declaredCodes are the constants of the package.
func declaredCodes(t *testing.T) (codes []Code) {
	t.Helper()
	for _, name := range []string{"codes.go", "troubles.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, codesIn(t, file)...)
	}
	return codes
}

// codesIn are the constants of a file.
func codesIn(t *testing.T, file *ast.File) (codes []Code) {
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Error(err)
			}
			codes = append(codes, Code(value))
		}
		return true
	})
	return codes
}

// wantRecognised wants the sentences of codes to be read as what they say.
func wantRecognised(t *testing.T, codes []Code, stored func(string) Reason) {
	t.Helper()
	for _, code := range codes {
		values := make([]any, len(code.Names()))
		for i, name := range code.Names() {
			values[i] = "a (b), \"c\"; " + name
			if IsReason(name) {
				values[i] = All(Of(NULReplaced), Of(FlagsLeft, `\Flagged $a`), Said("of 2019"))
			}
		}
		want := Of(code, values...)
		for _, row := range []string{string(want), want.String()} {
			if got := stored(row); got != want {
				t.Errorf("%q is read as %q, want %q", row, string(got), string(want))
			}
		}
	}
}

// TestStored: rows of earlier versions have the words; they are recognised, whatever their values are.
func TestStored(t *testing.T) {
	wantRecognised(t, kept, Stored)
	wantRecognised(t, keptTroubles, StoredProblem)
	for row, want := range map[string]Reason{
		"":                                  "",
		"in a shared namespace":             Of(LeftShared),
		"the new server takes no NUL bytes": Said("the new server takes no NUL bytes"),
		"refused":                           Said("refused"),
		"reason.unheard_of":                 Said("reason.unheard_of"),
		"said":                              Said("said"),
	} {
		if got := Stored(row); got != want {
			t.Errorf("%q is read as %q, want %q", row, string(got), string(want))
		}
	}
}

// TestStoredProblems: rows of earlier versions have whole sentences about a server, with what it said.
func TestStoredProblems(t *testing.T) {
	old, says := Of(ServerOld, "imap.old.example"), Of(ServerSaysSaid, `no, "never"`, "Too late, come back")
	for row, want := range map[string]Reason{
		"": "",
		"The old server (imap.old.example) can't be reached. It is tried again by itself; check that it runs and that its address is right.": Of(TroubleUnreachable, old),
		"No password is known for this account at the new server (n). Enter it on the import page, or import the list with it.":              Of(TroubleNoPassword, Of(ServerNew, "n")),
		"imap.example.com has expired":                        Said("imap.example.com has expired"),
		"The old server (o) refused SELECT (it says \"no\").": Said("The old server (o) refused SELECT (it says \"no\")."),
		`The old server (imap.old.example) refused the password of this account (it says "no, \"never\"", and before that "Too late, come back"). ` + correct: Of(TroubleLogin, old, says),
		`This login may lead to the same mailbox as the account "a \"b\"": both look alike, but it can't be proved. Nothing is copied for it until you say.`:  Of(TroubleSameUncertain, Of(AccountNamed, `a "b"`)),
		"The account's mail (12 messages) does not fit into its mailbox on the new server (n), whose quota is 5 messages. Raise the quota, or leave folders out in the configuration; until then nothing is copied.": Of(TroubleNotFitting,
			Of(Messages, 12), "n", Of(Messages, 5)),
		"The new server refuses all messages for this folder. " + noneGivenUp: Of(TroubleRefusesAll),
	} {
		got := StoredProblem(row)
		if got != want || got.String() != row {
			t.Errorf("%q is read as %q (%s), want %q", row, string(got), got, string(want))
		}
		if again := StoredProblem(string(got)); again != got {
			t.Errorf("%q is read as %q", string(got), string(again))
		}
	}
}

// TestStoredRepairs: rows had them in a list.
func TestStoredRepairs(t *testing.T) {
	for row, want := range map[string]Reason{
		"":                                      "",
		"bare LF made CRLF, flags left out: $a": All(Of(BareLFMade), Of(FlagsLeft, "$a")),
		"date 1969-12-31 00:00:00 replaced by 1970-01-01 00:00:00": Of(DateReplaced, "1969-12-31 00:00:00", "1970-01-01 00:00:00"),
		"another subject, final line end added":                    All(Said("another subject"), Of(EndAdded)),
	} {
		got := StoredRepairs(row)
		if got != want || got.String() != row {
			t.Errorf("%q is read as %q, want %q", row, string(got), string(want))
		}
		if again := StoredRepairs(string(got)); again != got {
			t.Errorf("%q is read as %q", string(got), string(again))
		}
	}
}

// TestStoredWords: no words are lost or taken for a code.
func TestStoredWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.OneOf(rapid.String(), rapid.StringMatching(`(said|reason\.never|x\.y)?[?;]?(Words=)?[a-z%;?]*`)).Draw(t, "words")
		r := Said(words)
		if Stored(string(r)) != r || StoredRepairs(string(r)) != r || r.String() != words {
			t.Errorf("%q becomes %q, then %q", words, string(r), Stored(string(r)))
		}
		if many := All(r, Of(Never), r); Stored(string(many)) != many {
			t.Errorf("%q becomes %q", string(many), string(Stored(string(many))))
		}
	})
}
