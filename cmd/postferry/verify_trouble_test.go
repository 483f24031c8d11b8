package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/store/bolt"
)

// TestVerifyInTrouble: a server that doesn't tell all of what it has never makes a mailbox good.
func TestVerifyInTrouble(t *testing.T) {
	hides := func(name string) func(*lab.OddOptions) {
		return func(opt *lab.OddOptions) {
			opt.Unlisted = func(folder string) bool { return name == "" || folder == name }
		}
	}
	answers := func(verb, folder, answer string) func(*lab.OddOptions) {
		return func(opt *lab.OddOptions) {
			opt.Answer = func(c *lab.OddConn) string {
				if c.Verb != verb || folder != "" && c.Folder() != folder && !slices.Contains(c.Args, folder) {
					return ""
				}
				if answer == "" {
					c.HangUp()
					return "* BYE no more"
				}
				return answer
			}
		}
	}
	hidden := func(opt *lab.OddOptions) {
		opt.Hidden = func(folder string, m *lab.OddMessage) bool { return folder == "Work" && m.UID == 2 }
	}
	untold := func(opt *lab.OddOptions) {
		opt.Fetch = func(c *lab.OddConn, m *lab.OddMessage, response string) string {
			if c.Folder() == "Work" && m.UID == 2 {
				return ""
			}
			return response
		}
	}
	for _, tt := range []struct {
		name string
		old  func(*lab.OddOptions)
		new  func(*lab.OddOptions)
		late bool // a message has come to Work
		want string
	}{
		{"nothing", nil, nil, false, ""},
		{"old: late mail", nil, nil, true, "missing Work"},
		{"old: no folder listed", hides(""), nil, false, "INBOX"},
		{"new: no folder listed", nil, hides(""), false, "INBOX"},
		{"old: INBOX not listed", hides("INBOX"), nil, false, ""},
		{"new: INBOX not listed", nil, hides("INBOX"), false, ""},
		{"old: folder not listed", hides("Work"), nil, true, "missing Work"},
		{"new: folder not listed", nil, hides("Work"), false, "folder-missing Work"},
		{"old: folder refused", answers("EXAMINE", "Work", "NO [UNAVAILABLE] not now"), nil, true, "folder-unread Work"},
		{"new: folder refused", nil, answers("EXAMINE", "Work", "NO [UNAVAILABLE] not now"), false, "folder-unread Work"},
		{"old: hangs up at a folder", answers("EXAMINE", "Work", ""), nil, true, "folder-unread Work"},
		{"new: hangs up at a folder", nil, answers("EXAMINE", "Work", ""), false, "folder-unread Work"},
		{"old: message counted, not told", hidden, nil, false, "folder-unread Work"},
		{"new: message counted, not told", nil, hidden, false, "folder-unread Work"},
		{"old: message left out of FETCH", untold, nil, false, "folder-unread Work"},
		{"new: message left out of FETCH", nil, untold, false, "folder-unread Work"},
		{"old: LIST refused", answers("LIST", "", "NO not now"), nil, false, "problem"},
		{"new: LIST refused", nil, answers("LIST", "", "NO not now"), false, "problem"},
		{"old: LIST hangs up", answers("LIST", "", ""), nil, false, "problem"},
		{"old: FETCH refused", answers("UID FETCH", "", "NO not now"), nil, false, "folder-unread"},
		{"new: FETCH refused", nil, answers("UID FETCH", "", "NO not now"), false, "folder-unread"},
		{"old: login refused", answers("LOGIN", "", "NO [AUTHENTICATIONFAILED] wrong"), nil, false, "problem"},
		{"new: login refused", nil, answers("LOGIN", "", "NO [AUTHENTICATIONFAILED] wrong"), false, "problem"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old, nu := lab.StartOdd(t, lab.OddOptions{}), lab.StartOdd(t, lab.OddOptions{})
			for _, folder := range []string{"INBOX", "Work"} {
				old.Create(folder)
				for i := range 3 {
					old.Deliver(folder, truthMail(folder, i), "")
				}
			}
			config := filepath.Join(t.TempDir(), "config.toml")
			writeFile(t, config, fmt.Sprintf("state = \"state\"\n[[domain]]\nname = \"example.com\"\nold = %q\nnew = %q\n", old.Server().String(), nu.Server().String()))
			takeOverAll(t, config, anna)
			syncAll(t, config)
			if tt.late {
				old.Deliver("Work", truthMail("Work", 9), "")
			}
			if tt.old != nil {
				old.Change(tt.old)
			}
			if tt.new != nil {
				nu.Change(tt.new)
			}
			status, stdout, stderr := postferry(t, "", "verify", "-c", config, "--json", "-")
			if want := map[bool]int{true: exitOK, false: exitFailed}[tt.want == ""]; status != want {
				t.Errorf("status %d, want %d\n%s\n%s", status, want, stdout, stderr)
			}
			if !said(stdout, tt.want) {
				t.Errorf("it doesn't say %q:\n%s", tt.want, stdout)
			}
		})
	}
}

func truthMail(folder string, i int) string {
	return fmt.Sprintf("From: a@example.com\r\nMessage-ID: <%s.%d@example.com>\r\nSubject: %d\r\n\r\ntext %d\r\n", folder, i, i, i)
}

// said tells whether an export has a finding of a kind about a folder, or something else.
func said(stdout, want string) bool {
	kind, folder, _ := strings.Cut(want, " ")
	if folder != "" {
		return strings.Contains(stdout, fmt.Sprintf(`"folder":%q`, folder)) && strings.Contains(stdout, fmt.Sprintf(`"kind":%q`, kind))
	}
	return strings.Contains(stdout, want)
}

// TestVerifyNothing: where nothing was compared, nothing is good.
func TestVerifyNothing(t *testing.T) {
	_, config, list := memoryServers(t, 0)
	nothing := func(what string) {
		t.Helper()
		status, stdout, _ := postferry(t, "", "verify", "-c", config)
		if status != exitFailed || !strings.Contains(stdout, "nothing was compared") {
			t.Errorf("%s: status %d, %s", what, status, stdout)
		}
		if _, stdout, _ = postferry(t, "", "verify", "-c", config, "--json", "-"); !strings.Contains(stdout, `"result":"bad"`) {
			t.Errorf("%s: %s", what, stdout)
		}
	}
	state := filepath.Join(filepath.Dir(config), "state")
	st, err := bolt.Open(state, bolt.Options{Command: "test"})
	if err == nil {
		err = st.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	nothing("no accounts")
	mustRun(t, "import", "-c", config, list)
	st, err = bolt.Open(state, bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := st.Accounts(t.Context())
	for _, a := range accounts {
		err = errors.Join(err, st.SetState(t.Context(), a.ID, store.Finished))
	}
	if err = errors.Join(err, st.Close()); err != nil || len(accounts) == 0 {
		t.Fatal(err, accounts)
	}
	nothing("all are finished")
}
