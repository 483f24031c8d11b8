package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestOddLists reads lists as other programs and people write them.
func TestOddLists(t *testing.T) {
	two := []AccountLine{{2, "anna@a.example", "pw", "", ""}, {3, "bert@a.example", "p w", "", ""}}
	other := []AccountLine{{2, "anna", "pw", "anna@b.example", ""}}
	all := []AccountLine{{2, "a@old.example", "p1", "a@new.example", "p2"}}
	tests := map[string]struct {
		text string
		want []AccountLine
	}{
		"CR alone":                {"login;password\ranna@a.example;pw\rbert@a.example;p w\r", two},
		"CR alone, plain":         {"# people\ranna@a.example pw\rbert@a.example \"p w\"", two},
		"CR alone, empty lines":   {"login;password\r\ranna@a.example;pw\r\r", []AccountLine{{3, "anna@a.example", "pw", "", ""}}},
		"CR alone, mark":          {"\ufefflogin;password\ranna@a.example;pw\rbert@a.example;p w", two},
		"blanks":                  {"login, password\nanna@a.example, pw\nbert@a.example, p w\n", two},
		"blanks and quotes":       {"login, password\nanna@a.example, \"pw\"\nbert@a.example, \"p w\"\n", two},
		"blanks not everywhere":   {"login, password\nanna@a.example,pw\nbert@a.example, p w\n", two},
		"two blanks":              {"login, password\nanna@a.example,  pw\n", []AccountLine{{2, "anna@a.example", " pw", "", ""}}},
		"a blank in quotes":       {"login, password\nanna@a.example, \"; , pw\"\n", []AccountLine{{2, "anna@a.example", "; , pw", "", ""}}},
		"blanks in quotes":        {"login,password\nanna@a.example,\" pw\"\nbert@a.example,\" p w\"", []AccountLine{{2, "anna@a.example", " pw", "", ""}, {3, "bert@a.example", " p w", "", ""}}},
		"one password's blank":    {"login,password\nanna@a.example, pw\nbert@a.example,p w", []AccountLine{{2, "anna@a.example", " pw", "", ""}, two[1]}},
		"separator at the end":    {"login;password;\nanna@a.example;pw;\nbert@a.example;p w;\n", two},
		"more separators":         {"login;password\nanna@a.example;pw;;;\nbert@a.example;p w\n", two},
		"Exchange":                {"EmailAddress,UserName,Password\nanna@b.example,anna,pw", other},
		"Exchange, other order":   {"UserName,Password,EmailAddress\nanna,pw,anna@b.example", other},
		"Exchange, root and more": {"EmailAddress,UserName,Password,UserRoot\nanna@b.example,anna,pw,", other},
		"address and new login":   {"Email,Username,New login,Password\nx@c.example,anna,anna@b.example,pw", nil},
		"imapsync":                {"host1;user1;password1;host2;user2;password2;\nh1;a@old.example;p1;h2;a@new.example;p2;", all},
		"source and target":       {"Source Email,Source Password,Target Email,Target Password\na@old.example,p1,a@new.example,p2", all},
		"Google":                  {"First Name [Required],Last Name [Required],Email Address [Required],Password [Required]\nA,B,anna@a.example,pw", []AccountLine{{2, "anna@a.example", "pw", "", ""}}},
		"cPanel":                  {"Email,Password,Quota\nanna@a.example,pw,250", []AccountLine{{2, "anna@a.example", "pw", "", ""}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := readList(t, tt.text, ListOptions{})
			if tt.want == nil {
				if len(got.Mistakes) == 0 {
					t.Fatalf("read as %v", got.Accounts)
				}
				return
			}
			if len(got.Mistakes) > 0 || !reflect.DeepEqual(got.Accounts, tt.want) {
				t.Errorf("got %q, mistakes %v, want %q", passwordsToo(got.Accounts), got.Mistakes, passwordsToo(tt.want))
			}
		})
	}
}

// passwordsToo is what a failed test has to show.
func passwordsToo(lines []AccountLine) [][]string {
	var all [][]string
	for _, l := range lines {
		all = append(all, []string{l.Login, l.Password, l.NewLogin, l.NewPassword})
	}
	return all
}

// TestOddListMistakes wants to be told what nobody can see or know. Whatever might be a
// password contains "hunter".
func TestOddListMistakes(t *testing.T) {
	tests := map[string]struct {
		text     string
		encoding ListEncoding
		want     string
	}{
		"a blank before each password": {text: "login,password\nanna@a.example, hunter1\nbert@a.example, hunter2\n",
			want: "line 2: and each line after it has a password that begins with a blank; expected none behind the separators"},
		"zero-width space": {text: "login;password\nanna\u200b@a.example;hunter1",
			want: "line 2: has a character that can't be seen (U+200B) in the login; expected it to be typed anew"},
		"zero-width space, plain": {text: "anna@a.example hunter1\n\u200bbert@a.example hunter2",
			want: "line 2: has a character that can't be seen (U+200B) in the login;"},
		"no-break space": {text: "login;password\nanna@a.example\u00a0;hunter1",
			want: "line 2: has a character that can't be seen (U+00A0) in the login;"},
		"byte order mark inside": {text: "login;password\n\ufeffanna@a.example;hunter1",
			want: "line 2: has a character that can't be seen (U+FEFF) in the login;"},
		"writing direction": {text: "login;password;new login\nanna@a.example;hunter1;\u202aanna@b.example",
			want: "line 2: has a character that can't be seen (U+202A) in the new login;"},
		"soft hyphen": {text: "login;password\nan\u00adna@a.example;hunter1",
			want: "line 2: has a character that can't be seen (U+00AD) in the login;"},
		"in a login that stays as it is": {text: "anna\u200b hunter1", encoding: ListBytes,
			want: "line 1: has a character that can't be seen (U+200B) in the login;"},
		"a workbook": {text: "PK\x03\x04\x14\x00\x06\x00\xff hunter1\nhunter2 x",
			want: "this is no text, but the file of a spreadsheet program"},
		"a workbook said to be windows-1252": {text: "\xd0\xcf\x11\xe0\xa1\xb1 hunter1\nhunter2 x", encoding: ListWindows1252,
			want: "this is no text, but the file of a spreadsheet program"},
		"LF within a list of CR": {text: "login;password\r" + strings.Repeat("anna;hunter1\r", 400) + "x;hunter2\nbert;hunter3",
			want: "line 3: has the login of line 2 again"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			list := readList(t, tt.text, ListOptions{Encoding: tt.encoding})
			got := (&Error{Mistakes: list.Mistakes}).Error()
			if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "hunter") {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
	if list := readList(t, "PK\x03\x04\x14\x00\xff\n\xff\n", ListOptions{Format: ListCSV}); len(list.Mistakes) != 1 || list.Mistakes[0].Line != 0 || list.Format != ListCSV {
		t.Errorf("a workbook is one mistake: %+v", list)
	}
	kept := readList(t, "anna hunter1\u200b\u00a0", ListOptions{})
	if len(kept.Mistakes) > 0 || kept.Accounts[0].Password != "hunter1\u200b\u00a0" {
		t.Errorf("a password: %v", kept.Mistakes)
	}
}
