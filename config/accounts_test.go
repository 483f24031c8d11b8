package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseAccounts(t *testing.T) {
	tests := map[string]struct {
		text string
		want []AccountLine
	}{
		"two":   {"joe@a.example secret\n", []AccountLine{{1, "joe@a.example", "secret", "", ""}}},
		"four":  {"joe\tpw \t joe@a.example\t\tother", []AccountLine{{1, "joe", "pw", "joe@a.example", "other"}}},
		"blank": {"\n  \t\n  joe pw  \n\n", []AccountLine{{3, "joe", "pw", "", ""}}},
		"CRLF":  {"\ufeffa b\r\n\r\nc d\r\n", []AccountLine{{1, "a", "b", "", ""}, {3, "c", "d", "", ""}}},
		"comments": {"# login password\n \t# x\njoe #1\nann pw#2\n\"#bob\" #\n",
			[]AccountLine{{3, "joe", "#1", "", ""}, {4, "ann", "pw#2", "", ""}, {5, "#bob", "#", "", ""}}},
		"quoted": {`"joe doe" "a ""b"" c"` + "\nann \"\"\"\"\nbob \"tab\there\"",
			[]AccountLine{{1, "joe doe", `a "b" c`, "", ""}, {2, "ann", `"`, "", ""}, {3, "bob", "tab\there", "", ""}}},
		"literal": {`joe pa"ss"` + "\n" + `ann C:\n%41$x'` + "\nbob pä§ß€\u00a0x",
			[]AccountLine{{1, "joe", `pa"ss"`, "", ""}, {2, "ann", `C:\n%41$x'`, "", ""}, {3, "bob", "pä§ß€\u00a0x", "", ""}}},
		"mark in a password": {"joe \ufeffpw", []AccountLine{{1, "joe", "\ufeffpw", "", ""}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseAccounts(iotest.OneByteReader(strings.NewReader(tt.text)), ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAccountMistakes(t *testing.T) {
	// Whatever might be a password in these lists contains "hunter".
	text := strings.Join([]string{
		1:  "hunter1",
		2:  "joe hunter2 hunter3",
		3:  "joe hunter2 joe hunter3 hunter4",
		4:  `ann "hunter5`,
		5:  `ann "hunter6"hunter7`,
		6:  `ann ""`,
		7:  `"" hunter8`,
		8:  "ann hunter\x009",
		9:  "ann hunter\xe4",
		10: "Bob@A.example hunter10",
		11: "bob@a.EXAMPLE hunter11",
		12: "cat hunter12 " + strings.Repeat("x", 5000),
		13: "\"d\to\" hunter13",
		14: "dog hunter14\rhunter15",
		15: `dog hunter16 "" hunter17`,
		16: `dog hunter18 dog ""`,
		17: "hunter19 ok",
		18: "HUNTER19 ok",
	}[1:], "\n")
	want := `line 1: has 1 value; expected two (login password) or four (login password new_login new_password); a value with spaces needs double quotes
line 2: has 3 values; expected two (login password) or four (login password new_login new_password); a value with spaces needs double quotes
line 3: has 5 values; expected two (login password) or four (login password new_login new_password); a value with spaces needs double quotes
line 4: has an opening " without a closing one; a " at the beginning of a value opens it, a "" inside stands for one
line 5: has something right after a closing "; expected a space, a tab or the end of the line; a "" inside stands for one "
line 6: has an empty password
line 7: has an empty login
line 8: has a NUL character
line 9: has bytes that are not UTF-8; expected the list to be saved as UTF-8, or to be told its encoding
line 11: has the login of line 10 again
line 12: is too long; expected at most 4096 octets
line 13: has a control character in the login
line 14: has a carriage return in the password; expected lines that end in LF or CRLF
line 15: has an empty new login
line 16: has an empty new password
line 18: has the login of line 17 again`
	got, err := ParseAccounts(strings.NewReader(text), ListOptions{})
	if err == nil || got != nil {
		t.Fatalf("got %v, %v", got, err)
	}
	if err.Error() != want {
		t.Errorf("got\n%s", err)
	}
	if strings.Contains(strings.ToLower(err.Error()), "hunter") {
		t.Error("a password is repeated")
	}
}

func TestAccountsWithoutAny(t *testing.T) {
	for text, want := range map[string]string{
		"":          "no accounts; expected lines with a login and a password",
		"# nobody":  "no accounts; expected lines with a login and a password",
		"\xff\xfea": "line 1: has bytes that mean nothing in the encoding of the list; expected it to be saved as UTF-8",
	} {
		if _, err := ParseAccounts(strings.NewReader(text), ListOptions{}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// The longest line there may be is taken, with either line end; one octet more is not.
func TestAccountLineLength(t *testing.T) {
	for _, end := range []string{"", "\n", "\r\n"} {
		for extra, ok := range map[int]bool{0: true, 1: false, 2: false, 3: false, 10000: false} {
			line := "joe " + strings.Repeat("x", maxAccountLine-4+extra)
			_, err := ParseAccounts(strings.NewReader(line+end+"ann pw\n"), ListOptions{})
			if end == "" {
				_, err = ParseAccounts(strings.NewReader(line), ListOptions{})
			}
			if (err == nil) != ok {
				t.Errorf("%d octets too many, end %q: %v", extra, end, err)
			}
		}
	}
}

func TestAccountLimits(t *testing.T) {
	var b strings.Builder
	for i := range MaxAccounts {
		fmt.Fprintf(&b, "user%d pw\n# comment\n", i)
	}
	got, err := ParseAccounts(strings.NewReader(b.String()), ListOptions{})
	if err != nil || len(got) != MaxAccounts {
		t.Fatalf("%d accounts, %v", len(got), err)
	}
	_, err = ParseAccounts(strings.NewReader(b.String()+"one more\nand more\n"), ListOptions{})
	if want := "line 200001: begins account 100,001; expected at most 100,000 in one list"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	_, err = ParseAccounts(strings.NewReader(strings.Repeat("x\n", 1500)), ListOptions{})
	var e *Error
	if !errors.As(err, &e) || len(e.Mistakes) != 1000 || e.Omitted != 500 || !strings.HasSuffix(e.Error(), "\nand 500 more") {
		t.Errorf("got %v", err)
	}
}

// A list that breaks off is no list.
func TestAccountsReadError(t *testing.T) {
	broken := errors.New("broken")
	got, err := ParseAccounts(io.MultiReader(strings.NewReader("joe pw\nann p"), iotest.ErrReader(broken)), ListOptions{})
	if !errors.Is(err, broken) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// However an account is printed, no password shows.
func TestAccountLineIsMasked(t *testing.T) {
	a := AccountLine{Line: 7, Login: "joe", Password: "hunter1", NewLogin: "joe@a", NewPassword: "hunter2"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T%[1]v"} {
		for _, x := range []any{a, &a, []AccountLine{a}, struct{ A AccountLine }{a}} {
			got := fmt.Sprintf(verb, x)
			if strings.Contains(got, "hunter") || strings.Contains(strings.ToLower(got), "68756e746572") || !strings.Contains(got, "joe") {
				t.Errorf("%s: %s", verb, got)
			}
		}
	}
	got, err := json.Marshal(a)
	if want := `{"line":7,"login":"joe","new_login":"joe@a"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// quote writes a value so that it is read back; styles vary where the format
// leaves a choice.
func quote(v string, always bool) string {
	if always || strings.ContainsAny(v, " \t") || strings.HasPrefix(v, `"`) || strings.HasPrefix(v, "#") {
		return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
	}
	return v
}

// line writes an account so that it is read back.
func (a AccountLine) line(always bool, sep string) string {
	values := []string{quote(a.Login, always), quote(a.Password, always)}
	if a.NewLogin != "" {
		values = append(values, quote(a.NewLogin, always), quote(a.NewPassword, always))
	}
	return strings.Join(values, sep)
}

func TestAccountsRoundTrip(t *testing.T) {
	secret := rapid.StringOfN(rapid.OneOf(
		rapid.SampledFrom([]rune("\"\" \t#\\%'äß€ab\u00a0\ufeff")),
		rapid.Rune().Filter(func(r rune) bool { return r != 0 && r != '\r' && r != '\n' }),
	), 1, 30, 200)
	login := rapid.StringMatching(`[a-z0-9 "#%\\äé@.]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		text.WriteString(rapid.SampledFrom([]string{"", "\ufeff"}).Draw(t, "mark"))
		var want []AccountLine
		n := rapid.IntRange(1, 20).Draw(t, "accounts")
		for i := range n {
			a := AccountLine{Line: i + 1, Login: fmt.Sprintf("%s-%d", login.Draw(t, "login"), i), Password: secret.Draw(t, "password")}
			if rapid.Bool().Draw(t, "four") {
				a.NewLogin, a.NewPassword = fmt.Sprintf("%s-new%d", login.Draw(t, "new login"), i), secret.Draw(t, "new password")
			}
			want = append(want, a)
			sep := rapid.SampledFrom([]string{" ", "\t", "  \t "}).Draw(t, "separator")
			end := rapid.SampledFrom([]string{"\n", "\r\n", " \n"}).Draw(t, "end")
			text.WriteString(a.line(rapid.Bool().Draw(t, "always"), sep) + end)
		}
		got, err := ParseAccounts(strings.NewReader(text.String()), ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %v", text.String(), got)
		}
	})
}

// Whatever the bytes: accounts that can be written and read back, or mistakes
// that name lines.
func FuzzParseAccounts(f *testing.F) {
	for _, s := range []string{"joe pw\n", "\ufeffa b c d\r\n# x\n", `"a ""b""" "c d"`, "a\x00 b", "\xff\xfea\x00", "a \"b", "a b\nA c\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		accounts, err := ParseAccounts(strings.NewReader(string(data)), ListOptions{})
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || len(e.Mistakes) == 0 || accounts != nil || !utf8.ValidString(err.Error()) {
				t.Fatalf("got %v, %v", accounts, err)
			}
			return
		}
		var text strings.Builder
		for i := range accounts {
			accounts[i].Line = i + 1
			text.WriteString(accounts[i].line(true, " ") + "\n")
		}
		if len(accounts) == 0 || len(data) > 1000 {
			return // quotes might make a line too long
		}
		again, err := ParseAccounts(strings.NewReader(text.String()), ListOptions{})
		if err != nil || !reflect.DeepEqual(again, accounts) {
			t.Fatalf("%q: then %v, %v", data, again, err)
		}
	})
}
