package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/console"
	"postferry/internal/lab"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/store/bolt"
)

// truth is a move of many accounts, each of which one thing is damaged of.
type truth struct {
	*testing.T
	*pair
	config string
	login  string // whose mailbox is damaged
}

// lie is something that is damaged, and what has to be told of it: kind, folder and reason
// (or what differs) of each finding, harmless ones with a "~" in front.
type lie struct {
	name string
	do   func(v *truth)
	want []string
}

// lies are of one thing of each kind, at either server and in the ledger. Each mailbox has four
// messages in INBOX, two alike in Twins, three in Work, and two in a view, one of them nowhere else.
var lies = []lie{
	{"nothing", func(*truth) {}, nil},

	{"new: message removed", onNew("Work", func(v *truth, c *imapclient.Client) { v.expunge(c, 2) }),
		[]string{"removed Work was copied, is gone from the new server"}},
	{"new: message moved", onNew("Work", func(v *truth, c *imapclient.Client) {
		_, err := c.Move(imap.UIDSetNum(2), "Drafts").Wait()
		v.must(err)
	}), []string{"removed Work was copied, is gone from the new server"}},
	{"new: copy replaced by another message", onNew("Work", func(v *truth, c *imapclient.Client) {
		v.expunge(c, 2)
		v.must(lab.Append(c, "Work", lab.Generate(99, 1, 700)[0]))
	}), []string{"removed Work was copied, is gone from the new server", "~extra Work"}},
	{"new: body changed", onNew("Work", func(v *truth, c *imapclient.Client) {
		v.replace(c, 2, func(m *lab.Msg) { m.Body = append(m.Body, "more\r\n"...) })
	}), []string{"altered Work"}},
	{"new: message cut off", onNew("Work", func(v *truth, c *imapclient.Client) {
		v.replace(c, 2, func(m *lab.Msg) { m.Body = m.Body[:len(m.Body)-300] })
	}), []string{"altered Work"}},
	{"new: subject changed", onNew("Work", func(v *truth, c *imapclient.Client) {
		v.replace(c, 2, func(m *lab.Msg) { m.Body = []byte(strings.Replace(string(m.Body), "Subject: ", "Subject: #", 1)) })
	}), []string{"removed Work was copied, is gone from the new server", "~extra Work"}},
	{"new: date changed", onNew("Work", func(v *truth, c *imapclient.Client) {
		v.replace(c, 2, func(m *lab.Msg) { m.Date = m.Date.Add(-time.Hour) })
	}), []string{"date Work"}},
	{"new: flags changed", onNew("Work", func(v *truth, c *imapclient.Client) { v.flag(c, 2, "$Damaged") }), []string{"flags Work"}},
	{"new: marked for removal", onNew("Work", func(v *truth, c *imapclient.Client) { v.flag(c, 2, imap.FlagDeleted) }), []string{"flags Work"}},
	{"new: message doubled", onNew("Work", func(v *truth, c *imapclient.Client) {
		_, err := c.Copy(imap.UIDSetNum(2), "Work").Wait()
		v.must(err)
	}), []string{"doubled Work"}},
	{"new: one of two alike removed", onNew("Twins", func(v *truth, c *imapclient.Client) { v.expunge(c, 2) }),
		[]string{"removed Twins was copied, is gone from the new server"}},
	{"new: a third that is like two", onNew("Twins", func(v *truth, c *imapclient.Client) {
		_, err := c.Copy(imap.UIDSetNum(2), "Twins").Wait()
		v.must(err)
	}), []string{"doubled Twins"}},
	{"new: all removed", onNew("Work", func(v *truth, c *imapclient.Client) { v.expunge(c, 1, 2, 3) }), slices.Repeat([]string{"removed Work was copied, is gone from the new server"}, 3)},
	{"new: mail of its own", onNew("Work", func(v *truth, c *imapclient.Client) {
		v.must(lab.Append(c, "Work", lab.Generate(99, 1, 700)[0]))
	}), []string{"~extra Work"}},
	{"new: folder deleted", onNew("", func(v *truth, c *imapclient.Client) { v.must(c.Delete("Work").Wait()) }), []string{"folder-missing Work"}},
	{"new: folder renamed", onNew("", func(v *truth, c *imapclient.Client) { v.must(c.Rename("Work", "Other", nil).Wait()) }),
		[]string{"folder-missing Work", "~folder-extra Other"}},
	{"new: folder made again, empty", onNew("", func(v *truth, c *imapclient.Client) {
		v.must(c.Delete("Work").Wait())
		lab.Create(v, c, "Work")
		v.must(c.Subscribe("Work").Wait())
	}), slices.Repeat([]string{"missing Work was copied, but the folder on the new server is another one now (UIDVALIDITY)"}, 3)},
	{"new: another folder in its place", onNew("", func(v *truth, c *imapclient.Client) {
		v.must(c.Rename("Work", "Other", nil).Wait())
		v.must(c.Rename("Twins", "Work", nil).Wait())
		v.must(c.Subscribe("Work").Wait())
	}), append(slices.Repeat([]string{"missing Work was copied, but the folder on the new server is another one now (UIDVALIDITY)"}, 3),
		"folder-missing Twins", "~extra Work", "~extra Work", "~folder-extra Other")},
	{"new: not subscribed", onNew("", func(v *truth, c *imapclient.Client) { v.must(c.Unsubscribe("Work").Wait()) }), []string{"subscription Work"}},

	{"old: late mail", onOld("INBOX.Work", func(v *truth, c *imapclient.Client) {
		v.must(lab.Append(c, "INBOX.Work", lab.Generate(99, 1, 700)[0]))
	}), []string{"missing Work not copied yet"}},
	{"old: late mail that is like another", onOld("INBOX.Twins", func(v *truth, c *imapclient.Client) {
		_, err := c.Copy(imap.UIDSetNum(1), "INBOX.Twins").Wait()
		v.must(err)
	}), []string{"missing Twins not copied yet"}},
	{"old: message removed", onOld("INBOX.Work", func(v *truth, c *imapclient.Client) { v.expunge(c, 2) }), []string{"~extra Work"}},
	{"old: flags changed", onOld("INBOX.Work", func(v *truth, c *imapclient.Client) { v.flag(c, 2, "$Later") }), []string{"flags Work"}},
	{"old: message replaced", onOld("INBOX.Work", func(v *truth, c *imapclient.Client) {
		v.expunge(c, 2)
		v.must(lab.Append(c, "INBOX.Work", lab.Generate(99, 1, 700)[0]))
	}), []string{"missing Work not copied yet", "~extra Work"}},
	{"old: folder made", onOld("", func(v *truth, c *imapclient.Client) {
		lab.Create(v, c, "INBOX.Late")
		v.must(lab.Append(c, "INBOX.Late", lab.Generate(99, 1, 700)[0]))
	}), []string{"folder-missing Late"}},
	{"old: folder deleted", onOld("", func(v *truth, c *imapclient.Client) { v.must(c.Delete("INBOX.Work").Wait()) }), []string{"~folder-extra Work"}},
	{"old: folder made again, other mail", onOld("", func(v *truth, c *imapclient.Client) {
		v.must(c.Delete("INBOX.Work").Wait())
		lab.Create(v, c, "INBOX.Work")
		v.must(lab.Append(c, "INBOX.Work", lab.Generate(99, 1, 700)[0]))
	}), []string{"missing Work never copied", "~extra Work", "~extra Work", "~extra Work"}},
	{"old: mail in the view only", onOld("", func(v *truth, c *imapclient.Client) {
		lab.Create(v, c, "INBOX.Alles")
		v.must(lab.Append(c, "INBOX.Alles", lab.Generate(99, 1, 700)[0]))
	}), []string{"missing Alles"}},
	{"old: mail in a folder left alone", onOld("", func(v *truth, c *imapclient.Client) {
		lab.Create(v, c, "INBOX.Skip")
		v.must(lab.Append(c, "INBOX.Skip", lab.Generate(99, 1, 700)[0]))
	}), []string{"~folder-skipped Skip 1 messages left out"}},

	{"ledger: line removed", onLedger("Work", func(_ *truth, l store.Ledger, b *store.Batch) { b.Forget = []store.Key{l.Entries[1].Key} }), nil},
	{"ledger: line and message removed", both(onNew("Work", func(v *truth, c *imapclient.Client) { v.expunge(c, 2) }),
		onLedger("Work", func(_ *truth, l store.Ledger, b *store.Batch) { b.Forget = []store.Key{l.Entries[1].Key} })), []string{"missing Work never copied"}},
	{"ledger: line points to another", onLedger("Work", pointTo(3)), nil},
	{"ledger: line points to another, message removed", both(onNew("Work", func(v *truth, c *imapclient.Client) { v.expunge(c, 2) }), onLedger("Work", pointTo(3))),
		[]string{"missing Work was copied, but another message is in its place"}},
	{"ledger: line says removed", onLedger("Work", pointTo(0)), nil},
	{"ledger: line says removed, late mail of the same kind", both(onLedger("Twins", pointTo(0)), onNew("Twins", func(v *truth, c *imapclient.Client) { v.expunge(c, 2) })),
		[]string{"removed Twins was copied, is gone from the new server"}},
	{"ledger: checkpoint too far", both(onOld("INBOX.Work", func(v *truth, c *imapclient.Client) {
		v.must(lab.Append(c, "INBOX.Work", lab.Generate(99, 1, 700)[0]))
	}), onLedger("Work", func(_ *truth, _ store.Ledger, b *store.Batch) { b.Checkpoint.UIDNext += 100 })), []string{"missing Work never copied"}},
	{"ledger: checkpoint of another folder", both(onOld("INBOX.Work", func(v *truth, c *imapclient.Client) {
		v.must(lab.Append(c, "INBOX.Work", lab.Generate(99, 1, 700)[0]))
	}), onLedger("Work", func(_ *truth, _ store.Ledger, b *store.Batch) { b.Checkpoint.UIDValidity++ })), []string{"missing Work never copied"}},
	{"ledger: quarantine, not there", both(onNew("Work", func(v *truth, c *imapclient.Client) { v.expunge(c, 2) }), onLedger("Work", quarantine)), []string{"quarantined Work refused"}},
	{"ledger: quarantine, there", onLedger("Work", quarantine), nil},
	{"ledger: a line too many", onLedger("Work", func(_ *truth, l store.Ledger, b *store.Batch) {
		e := l.Entries[1]
		key := []byte(e.Key)
		binary.BigEndian.PutUint32(key[4:], 77)
		e.Key, e.UID = store.Key(key), 77
		b.Proofs = []store.Entry{e}
	}), nil},
	{"ledger: line of a late message", both(onOld("INBOX.Work", func(v *truth, c *imapclient.Client) {
		v.must(lab.Append(c, "INBOX.Work", lab.Generate(99, 1, 700)[0]))
	}), onLedger("Work", func(_ *truth, l store.Ledger, b *store.Batch) {
		e := l.Entries[1]
		key := []byte(e.Key)
		binary.BigEndian.PutUint32(key[4:], 4)
		e.Key = store.Key(key)
		b.Proofs = []store.Entry{e}
	})), []string{"missing Work was copied, but another message is in its place"}},
	{"ledger: repair of a message that was altered", both(onNew("Work", func(v *truth, c *imapclient.Client) {
		v.replace(c, 2, func(m *lab.Msg) { m.Body = append(m.Body, "more\r\n"...) })
	}), onLedger("Work", func(_ *truth, l store.Ledger, b *store.Batch) {
		b.Repaired = []store.Repaired{{Key: l.Entries[1].Key, What: reason.Said("a line added"), When: time.Now()}}
	})), []string{"~repaired Work a line added"}},
	{"ledger: repair of a message that is gone", both(onNew("Work", func(v *truth, c *imapclient.Client) { v.expunge(c, 2) }),
		onLedger("Work", func(_ *truth, l store.Ledger, b *store.Batch) {
			b.Repaired = []store.Repaired{{Key: l.Entries[1].Key, What: reason.Said("a line added"), When: time.Now()}}
		})), []string{"removed Work was copied, is gone from the new server"}},

	{"folder: missing, all was copied", both(onNew("", func(v *truth, c *imapclient.Client) { v.must(c.Delete("Work").Wait()) }),
		onFolder("Work", func(f *store.Folder) { f.State = store.FolderMissing })), []string{"folder-absent Work all of its mail had been copied"}},
	{"folder: missing, late mail", both(both(onNew("", func(v *truth, c *imapclient.Client) { v.must(c.Delete("Work").Wait()) }),
		onFolder("Work", func(f *store.Folder) { f.State = store.FolderMissing })),
		onOld("INBOX.Work", func(v *truth, c *imapclient.Client) {
			v.must(lab.Append(c, "INBOX.Work", lab.Generate(99, 1, 700)[0]))
		})), []string{"folder-missing Work not copied: 1 of its messages"}},
	{"folder: missing, it is there", onFolder("Work", func(f *store.Folder) { f.State = store.FolderMissing }), nil},
	{"folder: deleted by its user", both(onNew("", func(v *truth, c *imapclient.Client) { v.must(c.Delete("Work").Wait()) }),
		onFolder("Work", func(f *store.Folder) { f.State = store.FolderDeleted })), []string{"~folder-removed Work"}},
	{"folder: deleted by its user, late mail", both(both(onNew("", func(v *truth, c *imapclient.Client) { v.must(c.Delete("Work").Wait()) }),
		onFolder("Work", func(f *store.Folder) { f.State = store.FolderDeleted })),
		onOld("INBOX.Work", func(v *truth, c *imapclient.Client) {
			v.must(lab.Append(c, "INBOX.Work", lab.Generate(99, 1, 700)[0]))
		})), []string{"~folder-removed Work 1 messages left out"}},
	{"folder: known as another", onFolder("Work", func(f *store.Folder) { f.Old = "INBOX.Elsewhere" }), []string{"folder-missing Work"}},
	{"folder: goes elsewhere", onFolder("Work", func(f *store.Folder) { f.New = "Twins" }), append(slices.Repeat([]string{"missing Work was copied, but the folder on the new server is another one now (UIDVALIDITY)"}, 3),
		"subscription Work", "~extra Work", "~extra Work", "~folder-extra Work")},
}

// TestVerifyTellsTheTruth damages one thing of each kind, at either server and in the
// ledger: what verify finds, and the exit status, say that and nothing else.
func TestVerifyTellsTheTruth(t *testing.T) {
	v := startTruth(t)
	for i, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			one := *v
			one.T, one.login = t, truthLogin(i)
			l.do(&one)
			var kinds []report.FindingKind
			for _, w := range l.want {
				if !strings.HasPrefix(w, "~") {
					kind, _, _ := strings.Cut(w, " ")
					kinds = append(kinds, report.FindingKind(kind))
				}
			}
			of := func(s report.Severity) bool {
				return slices.ContainsFunc(kinds, func(k report.FindingKind) bool { return k.Severity() == s })
			}
			one.check(l.want, of(report.Damage))
			one.check(l.want, of(report.Damage) || of(report.Doubtful), "--strict", "--bodies")
		})
	}
}

func truthLogin(i int) string { return fmt.Sprintf("user%02d@example.com", i) }

func startTruth(t *testing.T) *truth {
	t.Helper()
	t.Parallel()
	var users []lab.User
	var logins []string
	for i := range lies {
		logins = append(logins, truthLogin(i))
		users = append(users, lab.User{Login: truthLogin(i), Password: odd})
	}
	p := &pair{t: t, ca: lab.NewCA(t)}
	p.old = lab.StartDovecot(t, lab.DovecotOptions{Separator: ".", Prefix: "INBOX.", Users: users, CA: p.ca, SpecialUse: map[string]string{"Alles": `\All`}})
	p.new = lab.StartDovecot(t, lab.DovecotOptions{Format: "sdbox", Users: users, CA: p.ca, AutoCreate: true})
	p.oldURL, p.newURL = p.old.Insecure().String(), p.new.Insecure().String()
	p.more = "[domain.folders]\nskip = [\"Skip\"]\n"
	twins := slices.Repeat(lab.Generate(4, 1, 700), 2)
	for _, login := range logins {
		p.old.FillMaildir(login, "INBOX", lab.Generate(1, 4, 900))
		p.old.FillMaildir(login, "INBOX.Twins", twins)
		p.old.FillMaildir(login, "INBOX.Work", lab.Generate(2, 3, 900))
		p.old.Subscribe(login, "INBOX.Work")
	}
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, logins...)
	syncAll(t, config)
	return &truth{T: t, pair: p, config: config}
}

// check verifies the mailbox; bad tells that the exit status must say so.
func (v *truth) check(want []string, bad bool, options ...string) {
	v.Helper()
	status, stdout, stderr := postferry(v.T, "", slices.Concat([]string{"verify", "-c", v.config, "--json", "-"}, options, []string{v.login})...)
	wantStatus, wantResult := exitOK, console.ResultGood
	if bad {
		wantStatus, wantResult = exitFailed, console.ResultBad
	}
	var found []string
	result := ""
	for line := range strings.Lines(stdout) {
		var event struct {
			report.VerifyEvent
			Summary *console.VerifySummary
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			v.Fatalf("%v in %s", err, line)
		}
		if event.Finding != nil {
			found = append(found, told(event.Finding))
		}
		if event.Account != nil && event.Account.Problem != "" {
			found = append(found, event.Account.Problem.String())
		}
		if event.Summary != nil {
			result = event.Summary.Result
		}
	}
	found = slices.DeleteFunc(found, func(f string) bool { return strings.HasPrefix(f, "~folder-extra ") && !slices.Contains(want, f) }) // those of the new server's own
	want = slices.Sorted(slices.Values(want))
	if slices.Sort(found); !slices.Equal(found, want) {
		v.Errorf("%q: found\n\t%s\nwant\n\t%s", options, strings.Join(found, "\n\t"), strings.Join(want, "\n\t"))
	}
	if status != wantStatus || result != wantResult {
		v.Errorf("%q: status %d, result %q, want %d and %q: %s", options, status, result, wantStatus, wantResult, stderr)
	}
}

// told is a finding as lies spell it.
func told(f *report.Finding) string {
	text := string(f.Kind) + " " + f.Folder
	if f.Severity == report.Harmless {
		text = "~" + text
	}
	switch {
	case f.Kind == report.FolderSkipped || f.Kind == report.FolderRemoved:
		text += " " + f.Old.String()
	case f.Reason != "":
		text += " " + f.Reason.String()
	}
	return strings.TrimSpace(text)
}

func (v *truth) must(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

func both(first, second func(v *truth)) func(v *truth) {
	return func(v *truth) {
		first(v)
		second(v)
	}
}

// onNew changes a mailbox at the new server.
func onNew(folder string, change func(v *truth, c *imapclient.Client)) func(v *truth) {
	return func(v *truth) { v.at(v.new.Client(v.login), folder, change) }
}

// onOld is onNew at the old one.
func onOld(folder string, change func(v *truth, c *imapclient.Client)) func(v *truth) {
	return func(v *truth) { v.at(v.old.Client(v.login), folder, change) }
}

func (v *truth) at(c *imapclient.Client, folder string, change func(v *truth, c *imapclient.Client)) {
	v.Helper()
	defer c.Close()
	if folder != "" {
		_, err := c.Select(folder, nil).Wait()
		v.must(err)
	}
	change(v, c)
}

// open opens the state that the command keeps.
func (v *truth) open(use func(st store.Store, id store.AccountID, folders []store.Folder)) {
	v.Helper()
	st, err := bolt.Open(filepath.Join(filepath.Dir(v.config), "state"), bolt.Options{Command: "test"})
	v.must(err)
	defer st.Close()
	row, err := st.Account(v.Context(), v.login)
	v.must(err)
	folders, err := st.Folders(v.Context(), row.ID)
	v.must(err)
	use(st, row.ID, folders)
}

// onLedger changes what is recorded of a folder's messages.
func onLedger(title string, change func(v *truth, l store.Ledger, b *store.Batch)) func(v *truth) {
	return func(v *truth) {
		v.open(func(st store.Store, id store.AccountID, folders []store.Folder) {
			at := slices.IndexFunc(folders, func(f store.Folder) bool { return f.Title == title })
			l, err := st.Ledger(v.Context(), id, folders[at].ID)
			v.must(err)
			cp := folders[at].Checkpoint
			b := store.Batch{Account: id, Folder: folders[at].ID, Checkpoint: &cp}
			change(v, l, &b)
			v.must(st.Commit(v.Context(), b))
		})
	}
}

// onFolder changes what is recorded of a folder.
func onFolder(title string, change func(f *store.Folder)) func(v *truth) {
	return func(v *truth) {
		v.open(func(st store.Store, id store.AccountID, folders []store.Folder) {
			at := slices.IndexFunc(folders, func(f store.Folder) bool { return f.Title == title })
			change(&folders[at])
			_, err := st.PutFolders(v.Context(), id, folders[at:at+1])
			v.must(err)
		})
	}
}

// pointTo makes the second message's line say that its copy has another UID.
func pointTo(uid imap.UID) func(*truth, store.Ledger, *store.Batch) {
	return func(_ *truth, l store.Ledger, b *store.Batch) {
		e := l.Entries[1]
		e.UID = uid
		b.Proofs = []store.Entry{e}
	}
}

// quarantine makes the ledger say of the second message that it was refused.
func quarantine(_ *truth, l store.Ledger, b *store.Batch) {
	b.Forget = []store.Key{l.Entries[1].Key}
	b.Quarantine = []store.Quarantined{{Key: l.Entries[1].Key, Reason: reason.Said("refused"), Attempts: 1, Since: time.Now(), Last: time.Now()}}
}

func (v *truth) expunge(c *imapclient.Client, uids ...imap.UID) {
	v.Helper()
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}
	v.must(c.Store(imap.UIDSetNum(uids...), deleted, nil).Close())
	v.must(c.UIDExpunge(imap.UIDSetNum(uids...)).Close())
}

func (v *truth) flag(c *imapclient.Client, uid imap.UID, flag imap.Flag) {
	v.Helper()
	v.must(c.Store(imap.UIDSetNum(uid), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{flag}, Silent: true}, nil).Close())
}

// replace puts a changed message in the place of one of the folder that is open.
func (v *truth) replace(c *imapclient.Client, uid imap.UID, change func(m *lab.Msg)) {
	v.Helper()
	whole := &imap.FetchItemBodySection{Peek: true}
	options := &imap.FetchOptions{Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{whole}}
	messages, err := c.Fetch(imap.UIDSetNum(uid), options).Collect()
	if err != nil || len(messages) != 1 {
		v.Fatalf("%d messages, %v", len(messages), err)
	}
	m := lab.Msg{Body: messages[0].FindBodySection(whole), Date: messages[0].InternalDate}
	m.Flags = slices.DeleteFunc(messages[0].Flags, func(f imap.Flag) bool { return strings.EqualFold(string(f), `\Recent`) })
	change(&m)
	v.expunge(c, uid)
	v.must(lab.Append(c, "Work", m))
}
