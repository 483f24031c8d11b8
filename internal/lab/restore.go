package lab

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Keep copies a user's mail as it lies on the disk, the server's indexes included, and
// returns what puts it back, as a backup does that is restored. The server is restarted
// both times, so that nothing is left in its memory.
func (d *Dovecot) Keep(login string) (putBack func()) {
	d.tb.Helper()
	mail := filepath.Join(d.UserDir(login), "mail")
	kept := filepath.Join(d.tb.TempDir(), "mail")
	d.still(func() { d.copyAll(mail, kept) })
	return func() {
		d.tb.Helper()
		d.still(func() {
			if err := os.RemoveAll(mail); err != nil {
				d.tb.Fatalf("lab: %v", err)
			}
			d.copyAll(kept, mail)
		})
	}
}

// still does something while the server does not run.
func (d *Dovecot) still(fn func()) {
	d.tb.Helper()
	d.Stop()
	fn()
	d.Restart()
}

// copyAll copies a folder with owners and times.
func (d *Dovecot) copyAll(from, to string) {
	d.tb.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		d.tb.Fatalf("lab: %v: %s", err, out)
	}
}

// LoseIndexes removes the index files of a user's folder: what counts changes begins anew, UIDs stay.
func (d *Dovecot) LoseIndexes(login, folder string) {
	d.tb.Helper()
	d.still(func() { d.removeIndexes(login, folder) })
}

func (d *Dovecot) removeIndexes(login, folder string) {
	d.tb.Helper()
	files, err := filepath.Glob(filepath.Join(d.maildir(login, folder), "dovecot.index*"))
	if err != nil || len(files) == 0 {
		d.tb.Fatalf("lab: no index files: %v", err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
	}
}

// LoseUIDs makes a maildir's server give the messages of a folder other UIDs, from next on, under
// the same UIDVALIDITY: its list of UIDs is lost but for the first line.
func (d *Dovecot) LoseUIDs(login, folder string, next int) {
	d.tb.Helper()
	d.still(func() {
		path := filepath.Join(d.maildir(login, folder), "dovecot-uidlist")
		data, err := os.ReadFile(path)
		if err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		words := strings.Fields(first) // 3 V<uidvalidity> N<uidnext> G<guid>
		for i, w := range words {
			if w[0] == 'N' {
				words[i] = fmt.Sprintf("N%d", next)
			}
		}
		if err := os.WriteFile(path, []byte(strings.Join(words, " ")+"\n"), 0o600); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
		if err := d.account.own(path); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
		d.removeIndexes(login, folder)
	})
}

// NumberAnew gives all of a user's folders another UIDVALIDITY and their messages other UIDs, as moving
// them to another format does.
func (d *Dovecot) NumberAnew(login string) {
	d.tb.Helper()
	d.still(func() {
		err := filepath.WalkDir(filepath.Join(d.UserDir(login), "mail"), func(path string, f fs.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(f.Name(), "dovecot") && !f.IsDir() {
				err = os.Remove(path)
			}
			return err
		})
		if err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
	})
}

// Doveadm runs one of the commands of the server's administrator.
func (d *Dovecot) Doveadm(args ...string) {
	d.tb.Helper()
	out, err := exec.Command("doveadm", append([]string{"-c", filepath.Join(d.Dir, "dovecot.conf")}, args...)...).CombinedOutput()
	if err != nil {
		d.tb.Errorf("lab: doveadm %q: %v %s", args, err, out)
	}
}
