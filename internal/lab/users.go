package lab

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mailUser is a line of the user file.
type mailUser struct {
	password, home string
}

// AddUser adds users, or changes their passwords, from the next login on. On a
// running server that takes up to a second: Dovecot looks at its user file no
// more often. Any goroutine may call it.
func (d *Dovecot) AddUser(users ...User) {
	d.tb.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range users {
		d.addUser(u)
	}
	if err := d.writeUsers(); err != nil {
		d.tb.Fatalf("lab: %v", err)
	}
	if d.running {
		sleep(d.tb.Context(), time.Now().Truncate(time.Second).Add(time.Second))
	}
}

func (d *Dovecot) addUser(u User) {
	d.tb.Helper()
	if u.Login == "" || u.Login[0] == '#' || strings.ContainsAny(u.Login, ":\r\n\x00") {
		d.tb.Fatalf("lab: Dovecot's user file can't hold the login %q", u.Login)
	}
	home := filepath.Join(d.Dir, "home", homeName(u.Login))
	if err := d.account.mkdir(home); err != nil {
		d.tb.Fatalf("lab: %v", err)
	}
	d.users[u.Login] = mailUser{u.Password, home}
}

// UserDir returns a user's home directory; the mail lies in its subdirectory mail.
func (d *Dovecot) UserDir(login string) string {
	d.tb.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	u, ok := d.users[login]
	if !ok {
		d.tb.Fatalf("lab: no user %q", login)
	}
	return u.home
}

// writeUsers replaces the user file. Dovecot reads it again when its size or
// the second of its last change differ, so the file grows every time.
func (d *Dovecot) writeUsers() error {
	var out strings.Builder
	for login, u := range d.users {
		fmt.Fprintf(&out, "%s:{PLAIN.b64}%s:%d:%d::%s::\n", login,
			base64.StdEncoding.EncodeToString([]byte(u.password)), d.account.uid, d.account.gid, u.home)
	}
	for out.Len() <= d.usersSize {
		out.WriteString("#\n")
	}
	d.usersSize = out.Len()
	temp := d.Dir + "/users.new"
	if err := os.WriteFile(temp, []byte(out.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, d.Dir+"/users")
}

// homeName makes a directory name of a login.
func homeName(login string) string {
	plain := strings.Trim(login, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.-_+") == ""
	if plain && login[0] != '.' && len(login) < 64 {
		return login
	}
	return "hex-" + hex.EncodeToString([]byte(login))
}
