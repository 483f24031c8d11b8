package syncer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/report"
)

// dotMail is a message with a dot alone on a line.
func dotMail(n int) lab.POP3Mail {
	m := popMail(n)
	m.Body = append(m.Body, "before\r\n.\r\nafter\r\n"...)
	return m
}

// TestPOP3WithoutDotStuffing: of an old server that stuffs no dots, what can't be had whole
// waits in quarantine, all else is copied, and a verification goes past it.
func TestPOP3WithoutDotStuffing(t *testing.T) {
	for name, caps := range map[string][]string{"modern": modernPOP3, "no CAPA": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mails := popMails(20)
			mails[4], mails[11] = dotMail(4), popMail(11)
			mails[11].Body = append(mails[11].Body, ".profile\r\n"...)
			old, nu := lab.StartPOP3(t, lab.POP3Oddities{Capabilities: caps, Unstuffed: true}, mails...), lab.StartOdd(t, lab.OddOptions{})
			r := &oddRig{rig: newRig(t), new: nu}
			r.pair = nil
			r.cfg.Domains[0].Old, r.cfg.Domains[0].New = old.Server(), nu.Server()
			r.cfg.Sync.Stall = 2 * time.Second
			r.start(false)
			r.complete(19)
			got := map[string]bool{}
			for _, m := range nu.Messages("INBOX") {
				got[m.Body] = true
			}
			for i, m := range mails {
				if got[string(m.Body)] != (i != 4) {
					t.Errorf("message %d there: %v", i, got[string(m.Body)])
				}
			}
			if len(got) != 19 {
				t.Errorf("%d messages", len(got))
			}
			if q := r.quarantined(); len(q) != 1 || !strings.Contains(q[0].Reason.String(), "does not mark where this message ends") {
				t.Errorf("quarantine: %+v", q)
			}
			r.complete(0)
			for _, bodies := range []bool{false, true} {
				found, account := r.verify(bodies)
				if account.Problem != "" || account.Same != 19 || len(found[report.Quarantined]) != 1 || len(found) != 1 {
					t.Errorf("verify: %+v, %+v", account, found)
				}
			}
		})
	}
}

// TestVerifyGoesOn: a message that a server doesn't let be read, whatever happens when it is
// asked for it, is told, and the others are compared.
func TestVerifyGoesOn(t *testing.T) {
	// strikes answers for the odd message when header or body are asked for.
	strikes := func(what string, fn func(c *lab.OddConn, response string) string) func(c *lab.OddConn, m *lab.OddMessage, response string) string {
		return func(c *lab.OddConn, m *lab.OddMessage, response string) string {
			asked := strings.Join(c.Args, " ")
			if c.Folder() != "INBOX" || !isOdd(m.Body) || what == "header" && !strings.Contains(asked, "HEADER") || what == "body" && !strings.Contains(asked, "BODY.PEEK[]") {
				return response
			}
			return fn(c, response)
		}
	}
	for _, what := range []string{"header", "body"} {
		for name, fn := range map[string]func(c *lab.OddConn, response string) string{
			"hangs up":           func(c *lab.OddConn, _ string) string { c.HangUp(); return "" },
			"hangs up in middle": func(c *lab.OddConn, response string) string { c.HangUp(); return response[:len(response)-9] },
			"nothing":            func(*lab.OddConn, string) string { return "" },
			"without UID":        func(_ *lab.OddConn, response string) string { return uidItem.ReplaceAllString(response, "") },
			"NIL": func(_ *lab.OddConn, response string) string {
				return response[:strings.Index(response, " BODY[")] + ")\r\n"
			},
			"BYE": func(c *lab.OddConn, _ string) string { c.HangUp(); return "* BYE internal error\r\n" },
		} {
			for _, side := range []string{"old", "new"} {
				t.Run(fmt.Sprint(what, "/", name, "/", side), func(t *testing.T) {
					t.Parallel()
					r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
					r.start(false)
					r.complete(oddTotal())
					server := r.old
					if side == "new" {
						server = r.new
					}
					server.Change(func(opt *lab.OddOptions) { opt.Fetch = strikes(what, fn) })
					found, account := r.verify(what == "body")
					if account.Problem != "" || account.Folders != 3 || account.Same != oddTotal()-1 {
						if name != "without UID" || account.Same != oddTotal() { // asked for alone it is clear whose it is
							t.Errorf("%+v", account)
						}
					}
					if n := len(found[report.Unreadable]); n != 1 && (name != "without UID" || n != 0) {
						t.Errorf("%d unreadable: %+v", n, found)
					}
					for kind, list := range found {
						if kind != report.Unreadable {
							t.Errorf("%s: %+v", kind, list)
						}
					}
				})
			}
		}
	}
}

// TestVerifyPastFolders: a folder at which a connection breaks each time is told, and the
// others are compared.
func TestVerifyPastFolders(t *testing.T) {
	for _, verb := range []string{"EXAMINE", "UID FETCH"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
			r.start(false)
			r.complete(oddTotal())
			r.old.Change(func(opt *lab.OddOptions) {
				opt.Answer = func(c *lab.OddConn) string {
					if c.Verb == verb && c.Folder() == "Archive" {
						return "* BYE internal error"
					}
					return ""
				}
			})
			found, account := r.verify(false)
			if account.Problem != "" || account.Folders != 2 || len(found[report.FolderUnread]) != 1 || found[report.FolderUnread][0].Folder != "Archive" || found[report.FolderUnread][0].Trouble == nil {
				t.Errorf("%+v, %+v", account, found)
			}
		})
	}
}
