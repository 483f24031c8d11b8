package config

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"
)

// readList reads a list that must be readable.
func readList(t *testing.T, text string, opt ListOptions) *AccountList {
	t.Helper()
	list, err := ReadAccounts(strings.NewReader(text), opt)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCSV(t *testing.T) {
	one := []AccountLine{{2, "anna@a.example", "pw", "", ""}}
	four := []AccountLine{{2, "anna@a.example", "pw", "a@b.example", "other"}}
	tests := map[string]struct {
		text string
		want []AccountLine
	}{
		"comma":             {"login,password\nanna@a.example,pw\n", one},
		"semicolon":         {"Login;Password\r\nanna@a.example;pw\r\n", one},
		"tab":               {"LOGIN\tPASSWORD\nanna@a.example\tpw", one},
		"mark":              {"\ufefflogin;password\nanna@a.example;pw", one},
		"other order":       {"Password;E-Mail\npw;anna@a.example\n", one},
		"quoted names":      {`"User name","Pass"` + "\nanna@a.example,pw", one},
		"four":              {"login,password,new_login,new_password\nanna@a.example,pw,a@b.example,other", four},
		"German":            {"Benutzername;Kennwort;Neuer Benutzername;Neues Passwort\nanna@a.example;pw;a@b.example;other", four},
		"Russian":           {"Электронная почта;Пароль;Новый логин;Новый пароль\nanna@a.example;pw;a@b.example;other", four},
		"numbered":          {"user1;password1;user2;password2\nanna@a.example;pw;a@b.example;other", four},
		"further columns":   {"id,login,quota,password\n1,anna@a.example,5 GB,pw", one},
		"blanks at a login": {"login; password\n anna@a.example\t;pw", one},
		"empty values":      {"login,password,new login,new password\nanna@a.example,pw,,", one},
		"missing values":    {"login,password,new login,new password\nanna@a.example,pw", one},
		"only a new login": {"login,password,new login\nanna@a.example,pw,a@b.example",
			[]AccountLine{{2, "anna@a.example", "pw", "a@b.example", ""}}},
		"only a new password": {"login,password,new password\nanna@a.example,pw,other",
			[]AccountLine{{2, "anna@a.example", "pw", "", "other"}}},
		"empty lines":       {"\n\nlogin;password\n\n;;\nanna@a.example;pw\n;", []AccountLine{{6, "anna@a.example", "pw", "", ""}}},
		"Excel's separator": {"sep=;\r\nlogin;password\r\nanna@a.example;pw", []AccountLine{{3, "anna@a.example", "pw", "", ""}}},
		"literal": {"login;password\na; \\ 100% §ü\t\nb;#'a b'\nc;\"a \"\"b\"\";c\"\nd;,",
			[]AccountLine{{2, "a", " \\ 100% §ü\t", "", ""}, {3, "b", "#'a b'", "", ""}, {4, "c", `a "b";c`, "", ""}, {5, "d", ",", "", ""}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := readList(t, tt.text, ListOptions{})
			if got.Format != ListCSV || len(got.Mistakes) > 0 || !reflect.DeepEqual(got.Accounts, tt.want) {
				t.Errorf("%s: got %v, mistakes %v, want %v", got.Format, got.Accounts, got.Mistakes, tt.want)
			}
		})
	}
}

func TestCSVIgnored(t *testing.T) {
	got := readList(t, "id,login,new pasword,password\n1,anna,x,pw", ListOptions{})
	if want := []string{"id", "new pasword"}; !reflect.DeepEqual(got.Ignored, want) {
		t.Errorf("ignored %q, want %q", got.Ignored, want)
	}
}

func TestCSVMistakes(t *testing.T) {
	// Whatever might be a password in these lists contains "hunter".
	text := strings.Join([]string{
		"login;password;new login",
		"anna;hunter1;anna2;hunter2",
		`bert;"hunter3`,
		`carl;hunter"4`,
		`dora;"hunter5"6;x`,
		";hunter7",
		"emil",
		"emil;",
		"fritz;hunter\xe4",
		"gustav;hunter\x008",
		"hans;hunter9\r\r",
		"ida\x07;hunter10",
		"julius;hunter11",
		"Julius;hunter12",
		"konrad;hunter13;" + strings.Repeat("x", 5000),
		`ludwig;"hunter14`,
		`still";x`,
		"martha;hunter15",
	}, "\n")
	want := `line 2: has 4 values, the first line names 3; a value with the separator in it needs double quotes
line 3: has an opening " without a closing one before the separator or the end of the line; expected "" for each " in a value
line 4: has a " in a value that does not begin with one; expected the value in double quotes, and "" for each " in it
line 5: has an opening " without a closing one before the separator or the end of the line; expected "" for each " in a value
line 6: has an empty login
line 7: has an empty password
line 8: has an empty password
line 9: has bytes that are not UTF-8; expected the list to be saved as UTF-8, or to be told its encoding
line 10: has a NUL character
line 11: has a carriage return; expected lines that end in LF or CRLF
line 12: has a control character in the login
line 14: has the login of line 13 again
line 15: is too long; expected at most 4096 octets
line 16: has an opening " without a closing one before the separator or the end of the line; expected "" for each " in a value
line 17: has a " in a value that does not begin with one; expected the value in double quotes, and "" for each " in it`
	got := readList(t, text, ListOptions{Format: ListCSV})
	if len(got.Accounts) != 2 || got.Accounts[0].Login != "julius" || got.Accounts[1].Login != "martha" {
		t.Errorf("the good lines: %v", got.Accounts)
	}
	text = (&Error{Mistakes: got.Mistakes}).Error()
	if text != want {
		t.Errorf("got\n%s", text)
	}
	if strings.Contains(strings.ToLower(text), "hunter") {
		t.Error("a password is repeated")
	}
}

func TestCSVHeaderMistakes(t *testing.T) {
	tests := map[string]struct {
		text   string
		format ListFormat
		want   string
	}{
		"no header":      {"anna@a.example;hunter1\nbert@a.example;hunter2", ListCSV, `line 1: names no columns; expected a first line such as "login;password" or "login,password,new login,new password"`},
		"no password":    {"login;hunter1\n", ListCSV, "line 1: names no columns;"},
		"two logins":     {"login;e-mail;password\na;b;hunter1", ListCSV, "line 1: names two columns that hold the login; expected one"},
		"only a header":  {"login;password\n\n", ListCSV, "no accounts; expected lines with a login and a password"},
		"nothing":        {"", ListCSV, "no accounts; expected lines with a login and a password"},
		"not said to be": {"anna@a.example;hunter1", ListAuto, "line 1: has 1 value; expected two (login password) or four (login password new_login new_password); a CSV file needs a first line that names the columns (login, password)"},
	}
	for name, tt := range tests {
		list := readList(t, tt.text, ListOptions{Format: tt.format})
		got := (&Error{Mistakes: list.Mistakes}).Error()
		if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "hunter") {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// TestGoodLinesStay: mistakes leave the other lines readable, for those who
// want to take them over all the same.
func TestGoodLinesStay(t *testing.T) {
	got := readList(t, "anna pw\nonlyone\nbert pw\n", ListOptions{})
	if got.Format != ListPlain || len(got.Accounts) != 2 || got.Accounts[1].Line != 3 || len(got.Mistakes) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestListEncodings: nothing is guessed, what is said is done, and every
// character of a password arrives as UTF-8 unless its octets are to stay.
func TestListEncodings(t *testing.T) {
	const text = "anna Straße§100%\nbert \"a \\ b\"\n"
	latin, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	russian, err := charmap.Windows1251.NewEncoder().String("anna пароль№\n")
	if err != nil {
		t.Fatal(err)
	}
	wide := func(e unicode.Endianness) string {
		s, err := unicode.UTF16(e, unicode.UseBOM).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tests := map[string]struct {
		text     string
		encoding ListEncoding
		want     string // anna's password; "" if there is a mistake
	}{
		"UTF-8":                    {text, ListUTF8, "Straße§100%"},
		"Latin-1, not told":        {latin, ListUTF8, ""},
		"Latin-1":                  {latin, ListWindows1252, "Straße§100%"},
		"Latin-1 as it is":         {latin, ListBytes, "Stra\xdfe\xa7100%"},
		"UTF-8 as it is":           {text, ListBytes, "Straße§100%"},
		"Russian":                  {russian, ListWindows1251, "пароль№"},
		"UTF-16 little":            {wide(unicode.LittleEndian), ListUTF8, "Straße§100%"},
		"UTF-16 big":               {wide(unicode.BigEndian), ListUTF8, "Straße§100%"},
		"a mark before the name":   {"\ufeff" + text, ListWindows1252, "Straße§100%"},
		"UTF-16 before the name":   {wide(unicode.LittleEndian), ListWindows1251, "Straße§100%"},
		"not of the encoding":      {"anna \x98\n", ListWindows1251, ""},
		"a login that is no UTF-8": {"ann\xe4 pw\n", ListBytes, ""},
	}
	for name, tt := range tests {
		list := readList(t, tt.text, ListOptions{Encoding: tt.encoding})
		switch {
		case tt.want == "" && len(list.Mistakes) == 0:
			t.Errorf("%s: taken as %q", name, list.Accounts[0].Password)
		case tt.want != "" && (len(list.Mistakes) > 0 || list.Accounts[0].Password != tt.want || list.Accounts[0].Login != "anna"):
			t.Errorf("%s: %v, %v", name, list.Accounts, list.Mistakes)
		}
	}
}

func TestParseListEncoding(t *testing.T) {
	for name, want := range map[string]ListEncoding{"": ListUTF8, "UTF-8": ListUTF8, "latin1": ListWindows1252, "Windows-1251": ListWindows1251, "bytes": ListBytes} {
		if got, err := ParseListEncoding(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	if _, err := ParseListEncoding("klingon"); err == nil {
		t.Error("klingon was taken")
	}
}

// What a CSV writer writes is read back, whatever the password.
func TestCSVRoundTrip(t *testing.T) {
	secret := rapid.StringOfN(rapid.OneOf(
		rapid.SampledFrom([]rune("\"\" \t#\\%'äß€ab,;\u00a0\ufeff")),
		rapid.Rune().Filter(func(r rune) bool { return r != 0 && r != '\r' && r != '\n' && r != utf8.RuneError }),
	), 1, 30, 200)
	login := rapid.StringMatching(`[a-z0-9"#%\\äé@.,;]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.Comma = rapid.SampledFrom([]rune(",;\t")).Draw(t, "separator")
		w.UseCRLF = rapid.Bool().Draw(t, "CRLF")
		w.Write([]string{"login", "password", "new login", "new password"})
		var want []AccountLine
		for i := range rapid.IntRange(1, 20).Draw(t, "accounts") {
			a := AccountLine{Line: i + 2, Login: fmt.Sprintf("%s-%d", login.Draw(t, "login"), i), Password: secret.Draw(t, "password")}
			if rapid.Bool().Draw(t, "four") {
				a.NewLogin, a.NewPassword = fmt.Sprintf("%s-new%d", login.Draw(t, "new login"), i), secret.Draw(t, "new password")
			}
			w.Write([]string{a.Login, a.Password, a.NewLogin, a.NewPassword})
			want = append(want, a)
		}
		w.Flush()
		got, err := ReadAccounts(&text, ListOptions{})
		if err != nil || len(got.Mistakes) > 0 || !reflect.DeepEqual(got.Accounts, want) {
			t.Fatalf("got %v, %v, %v, want %v", got.Accounts, got.Mistakes, err, want)
		}
	})
}

// Whatever the bytes: the accounts can be stored and sent, and mistakes name
// lines in order.
func FuzzReadAccounts(f *testing.F) {
	for _, s := range []string{"login;password\na;b\n", "sep=,\nlogin,password,new login\n\"a\",\"b\"\"\",", "e-mail\tпароль\nx\ty", "\xff\xfea\x00", "a b\nc;d"} {
		f.Add([]byte(s), uint8(0), false)
		f.Add([]byte(s), uint8(3), true)
	}
	encodings := []ListEncoding{ListUTF8, ListWindows1252, ListWindows1251, ListBytes}
	f.Fuzz(func(t *testing.T, data []byte, encoding uint8, isCSV bool) {
		opt := ListOptions{Encoding: encodings[int(encoding)%len(encodings)]}
		if isCSV {
			opt.Format = ListCSV
		}
		list, err := ReadAccounts(bytes.NewReader(data), opt)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Accounts) == 0 && len(list.Mistakes) == 0 {
			t.Fatal("neither accounts nor mistakes")
		}
		last := 0
		for _, m := range list.Mistakes {
			if m.Line < last || !utf8.ValidString(m.Text) {
				t.Fatalf("mistakes %v", list.Mistakes)
			}
			last = m.Line
		}
		for _, a := range list.Accounts {
			newLogin, newPassword := a.New()
			for _, v := range []string{a.Login, a.Password, newLogin, newPassword} {
				if v == "" || strings.ContainsAny(v, "\r\n\x00") || opt.Encoding != ListBytes && !utf8.ValidString(v) {
					t.Fatalf("taken over: %q", v)
				}
			}
		}
	})
}
