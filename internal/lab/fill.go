package lab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

var defaultDate = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// FillMaildir puts messages into a folder by writing files, thousands a
// second. folder is the decoded name as a client sees it, prefix and separator
// included; it is made if missing. What is New goes to new/, the rest to cur/;
// all of it is \Recent until a client opens the folder (Open). The server may
// run. Needs Format maildir.
func (d *Dovecot) FillMaildir(login, folder string, msgs []Msg) {
	d.tb.Helper()
	if d.opt.Format != "maildir" {
		d.tb.Fatalf("lab: FillMaildir on a server with format %s", d.opt.Format)
	}
	dir := d.maildir(login, folder)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := d.account.mkdir(filepath.Join(dir, sub)); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
	}
	letters := keywordLetters(d, dir, msgs)
	for _, m := range msgs {
		if err := d.writeMail(dir, m, letters); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
	}
}

// maildir is a folder's directory (Maildir++: all folders side by side, names
// in modified UTF-7 with "." between their parts).
func (d *Dovecot) maildir(login, folder string) string {
	d.tb.Helper()
	root := filepath.Join(d.UserDir(login), "mail")
	if folder == "INBOX" {
		return root
	}
	name, ok := strings.CutPrefix(folder, d.opt.Prefix)
	if !ok {
		d.tb.Fatalf("lab: folder %q is outside the namespace %q", folder, d.opt.Prefix)
	}
	if d.opt.Separator != "." && strings.Contains(name, ".") {
		d.tb.Fatalf("lab: Maildir++ can't hold the dot in %q", folder)
	}
	name = strings.ReplaceAll(encodeMUTF7(name), d.opt.Separator, ".")
	return filepath.Join(root, "."+name)
}

// writeMail writes one message. The number that starts the name orders the
// messages: Dovecot gives out UIDs by it.
func (d *Dovecot) writeMail(dir string, m Msg, letters map[imap.Flag]byte) error {
	d.mu.Lock()
	d.mails++
	seq := d.mails
	d.mu.Unlock()
	// As a Dovecot would name it: names that differ in a counter only collide in its hash tables, and cost
	// seconds of CPU time in a large folder.
	name := fmt.Sprintf("%d.M%dP%d.lab,S=%d,W=%d", 1_000_000_000+seq, seq*618_033%1_000_000, 1000+seq*7919%30_000, len(m.Body), virtualSize(m.Body))
	path := filepath.Join(dir, "cur", name+":2,"+flagLetters(m.Flags, letters))
	if m.New {
		path = filepath.Join(dir, "new", name)
	}
	temp := filepath.Join(dir, "tmp", name)
	if err := os.WriteFile(temp, m.Body, 0o600); err != nil {
		return err
	}
	if err := d.account.own(temp); err != nil {
		return err
	}
	date := m.Date
	if date.IsZero() {
		date = defaultDate
	}
	if err := os.Chtimes(temp, date, date); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// virtualSize is the size with every line end as CRLF, which IMAP announces.
func virtualSize(body []byte) int {
	return len(body) + bytes.Count(body, []byte("\n")) - bytes.Count(body, []byte("\r\n"))
}

// flagLetters spells flags as the end of a file name, in ASCII order.
func flagLetters(flags []imap.Flag, keywords map[imap.Flag]byte) string {
	system := map[imap.Flag]byte{
		imap.FlagDraft: 'D', imap.FlagFlagged: 'F', imap.FlagAnswered: 'R', imap.FlagSeen: 'S', imap.FlagDeleted: 'T',
	}
	var out []byte
	for _, f := range flags {
		if letter, ok := system[f]; ok {
			out = append(out, letter)
		} else if letter, ok := keywords[f]; ok {
			out = append(out, letter)
		}
	}
	slices.Sort(out)
	return string(out)
}

// keywordLetters extends the folder's dovecot-keywords file ("0 name" for the
// letter a, and so on) by the keywords of msgs and returns all letters.
func keywordLetters(d *Dovecot, dir string, msgs []Msg) map[imap.Flag]byte {
	d.tb.Helper()
	path := filepath.Join(dir, "dovecot-keywords")
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		d.tb.Fatalf("lab: %v", err)
	}
	letters := map[imap.Flag]byte{}
	for line := range strings.Lines(string(data)) {
		if _, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			letters[imap.Flag(name)] = 'a' + byte(len(letters))
		}
	}
	known := len(letters)
	for _, m := range msgs {
		for _, f := range m.Flags {
			if _, ok := letters[f]; !ok && !strings.HasPrefix(string(f), `\`) {
				data = fmt.Appendf(data, "%d %s\n", len(letters), f)
				letters[f] = 'a' + byte(len(letters))
			}
		}
	}
	if len(letters) > 26 {
		d.tb.Fatalf("lab: a maildir file name holds 26 different keywords, not %d", len(letters))
	}
	if len(letters) > known {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
		if err := d.account.own(path); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
	}
	return letters
}

// Files lists the message files of a user's maildir with size and time of
// last change, sorted: new/ or cur/ and the flags at the end of the names show
// whether anything touched them.
func (d *Dovecot) Files(login string) []string {
	d.tb.Helper()
	root := filepath.Join(d.UserDir(login), "mail")
	var out []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if sub := filepath.Base(filepath.Dir(path)); sub != "cur" && sub != "new" {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		out = append(out, fmt.Sprintf("%s %d %d", rel, info.Size(), info.ModTime().Unix()))
		return err
	})
	if err != nil {
		d.tb.Fatalf("lab: %v", err)
	}
	slices.Sort(out)
	return out
}
