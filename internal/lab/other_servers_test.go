package lab

import (
	"errors"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// otherServer is what the tests below need of Cyrus and Courier.
type otherServer interface {
	AddUser(...User)
	Client(login string) *imapclient.Client
	Snapshot(login string) *Snapshot
}

func TestOtherServersKeepWhatTheyAreGiven(t *testing.T) {
	for _, tt := range []struct {
		name, folder, child string
		start               func(t *testing.T) otherServer
	}{
		{"Cyrus", "INBOX.Büro", "INBOX.Büro.Größe", func(t *testing.T) otherServer {
			return StartCyrus(t, CyrusOptions{Users: []User{{anna, "x y"}}})
		}},
		{"Cyrus alternative", "B.ü.ro", "B.ü.ro/Größe", func(t *testing.T) otherServer {
			return StartCyrus(t, CyrusOptions{AltNamespace: true, UnixSeparator: true, Users: []User{{anna, "x y"}}})
		}},
		{"Courier", "INBOX.Büro", "INBOX.Büro.Größe", func(t *testing.T) otherServer {
			return StartCourier(t, User{anna, "x y"})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			c := s.Client(anna)
			Create(t, c, tt.folder, tt.child)
			Subscribe(t, c, tt.folder)
			msgs := Generate(1, 20, 2000)
			for _, m := range msgs {
				if err := Append(c, tt.child, m); err != nil {
					t.Fatal(err)
				}
			}
			// Later nothing is \Recent any more, and Courier keeps the UIDVALIDITY: to an
			// empty folder that was never selected EXAMINE gives another one each second.
			for _, folder := range []string{"INBOX", tt.folder, tt.child} {
				if _, err := c.Select(folder, nil).Wait(); err != nil {
					t.Fatal(err)
				}
			}
			snap := s.Snapshot(anna)
			if !slices.Contains(snap.Subscribed, tt.folder) || snap.Folders[tt.folder] == nil || snap.Folders["INBOX"] == nil {
				t.Errorf("subscribed %q, folders %v", snap.Subscribed, snap.Folders)
			}
			folder := snap.Folders[tt.child]
			if folder == nil || len(folder.Messages) != len(msgs) {
				t.Fatalf("%q in %v", tt.child, snap.Folders)
			}
			for i, m := range folder.Messages {
				checkMessage(t, m, msgs[i])
			}
			if diff := snap.Diff(s.Snapshot(anna)); diff != "" {
				t.Errorf("reading changed something:\n%s", diff)
			}
			s.AddUser(User{"bernd@example.com", `q"\`})
			if folders := s.Snapshot("bernd@example.com").Folders; len(folders) != 1 {
				t.Errorf("a new user has %v", folders)
			}
		})
	}
}

func TestCyrusRefusesWhatCourierTakes(t *testing.T) {
	cyrus := StartCyrus(t, CyrusOptions{Users: []User{{anna, "x"}}}).Client(anna)
	courier := StartCourier(t, User{anna, "x"}).Client(anna)
	for _, body := range []string{"From: a\r\n\r\nb\nc\r\n", "From: a\r\n\r\n\x00\r\n", "no header\r\n"} {
		m := Msg{Body: []byte(body)}
		var refused *imap.Error
		if err := Append(cyrus, "INBOX", m); !errors.As(err, &refused) || refused.Type != imap.StatusResponseTypeNo {
			t.Errorf("Cyrus about %q: %v", body, err)
		}
		if err := Append(courier, "INBOX", m); err != nil {
			t.Errorf("Courier about %q: %v", body, err)
		}
	}
}

func TestCourierLogin(t *testing.T) {
	c := StartCourier(t, User{anna, "x"})
	client, err := imapclient.DialInsecure(c.IMAP, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Login(anna, "y").Wait(); err == nil {
		t.Error("a wrong password was accepted")
	}
	if err := client.Login(anna, "x").Wait(); err != nil {
		t.Error(err)
	}
}

func TestSplitArgs(t *testing.T) {
	for line, want := range map[string][]string{
		`a LOGIN b c`:          {"a", "LOGIN", "b", "c"},
		`a LOGIN "b \"c" "\\"`: {"a", "LOGIN", `b "c`, `\`},
		`a login "" ""`:        {"a", "login", "", ""},
		` a  NOOP `:            {"a", "NOOP"},
	} {
		if got := splitArgs(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q", line, got)
		}
	}
}
