package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestParseID(t *testing.T) {
	tests := map[string]string{
		`a ID ("name" "Thunderbird" "version" "128.1")` + "\r\n": `("name" "Thunderbird" "version" "128.1")`,
		`a id ("NAME" "a \"b\" \\" "os" NIL)`:                    `("name" "a \"b\" \\")`,
		"a ID ({4}\r\nname {3+}\r\nabc)":                         `("name" "abc")`,
		"a ID NIL":                                               "NIL",
		"a ID ()":                                                "NIL",
		`a ID ("name" "` + strings.Repeat("x", 1025) + `" "os" "y")`: `("os" "y")`,
		"a ID (\"name\" {3}\r\na\r\n \"os\" \"y\")":                  `("os" "y")`,
		`a ID ("name" "ü" "os" "y")`:                                 `("os" "y")`,
		`a ID (` + strings.Repeat(`"a" "b" `, 40) + `)`:              "(" + strings.TrimSpace(strings.Repeat(`"a" "b" `, 30)) + ")",
		`a ID ("name")`:                "",
		`a ID (name "x")`:              "",
		`a ID ("name" x)`:              "",
		`a ID (("name") "x")`:          "",
		`a ID`:                         "",
		`a ID ("name" "x") y`:          "",
		`a NOOP ("name" "x")`:          "",
		"a ID (\"name\" {300}\r\nabc)": "",
	}
	for command, want := range tests {
		fields, ok := ParseID([]byte(command))
		got := ""
		if ok {
			var b bytes.Buffer
			w := bufio.NewWriter(&b)
			NewEncoder(w).ID(fields)
			w.Flush()
			got = b.String()
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%.60q: got %s, want %s", command, got, want)
		}
	}
}
