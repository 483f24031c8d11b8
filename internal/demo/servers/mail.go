package servers

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Message is a message as it is delivered.
type Message struct {
	Raw   []byte
	flags []imap.Flag
	Date  time.Time
}

// Folder is a folder of the sample mailbox, with the subjects of its mail
// and the name Postferry gives it on the new server.
type Folder struct {
	Name     string
	NewName  string
	Subjects []string
}

// Visited is the folder that the tour opens while it is still empty on the
// new server.
const Visited = "Reisen/Österreich"

// Folders is what lies on the old server.
func Folders() []Folder {
	return []Folder{
		{"INBOX", "INBOX", []string{
			"Willkommen bei example.org", "Schlüsselübergabe am Freitag", "Re: Grüße aus Köln",
			"Newsletter: 10 Tipps für den Umzug", "Rechnung Nr. 2041", "Treffen am Dienstag?", "Re: Treffen am Dienstag?",
			"Fotos vom Wochenende", "Zählerstände", "Ihre Bestellung wurde verschickt", "Straßenfest im Juni",
			"Rückfrage zum Vertrag", "Mittagessen", "Öffnungszeiten geändert", "Kurze Frage",
			"Übersetzung fertig", "Passwort abgelaufen", "Bitte um Rückruf", "Neues Büro", "Kündigung bestätigt",
			"Fahrgemeinschaft", "Protokoll vom 3. März", "Glückwunsch!", "Müllabfuhr verschoben",
		}},
		{"Entwürfe", "Drafts", []string{"Über den Dächern", "Noch nicht fertig"}},
		{"Gesendete Objekte", "Sent", []string{
			"Re: Schlüsselübergabe am Freitag", "Angebot", "Re: Kurze Frage", "Danke schön", "Re: Mittagessen", "Unterlagen",
		}},
		{"Reisen", "Reisen", []string{"Bahnverbindungen", "Reiserücktritt"}},
		{Visited, Visited, []string{
			"Buchungsbestätigung Hotel Alpenglühen", "Wanderkarte Öztal", "Wetterbericht für Sölden",
			"Zugticket Wien–Salzburg", "Re: Zimmer mit Frühstück", "Hüttenübernachtung", "Seilbahn: Sperre im Mai",
			"Fundbüro Innsbruck", "Grüße vom Großglockner",
		}},
		{"Vereins-Ordner \"Müller & Söhne\"", "Vereins-Ordner \"Müller & Söhne\"", []string{
			"Mitgliederversammlung", "Kassenbericht", "Jubiläum", "Satzungsänderung",
		}},
	}
}

// messages makes the messages of a folder; part tells folders apart.
func messages(f Folder, part int) []Message {
	start := time.Date(2025, time.March, 1+part, 8, 0, 0, 0, time.FixedZone("", 3600))
	mail := make([]Message, len(f.Subjects))
	for i, subject := range f.Subjects {
		date := start.Add(time.Duration(i) * 7 * time.Hour)
		mail[i] = NewMessage(subject, fmt.Sprintf("%d.%d@example.org", part, i), date)
		mail[i].flags = flags(i)
	}
	return mail
}

// flags gives most messages some flags, as in a mailbox that is used.
func flags(i int) []imap.Flag {
	switch {
	case i%7 == 3:
		return []imap.Flag{imap.FlagSeen, imap.FlagAnswered}
	case i%5 == 2:
		return []imap.Flag{imap.FlagSeen, imap.FlagFlagged, imap.FlagForwarded}
	case i%4 == 1:
		return nil
	default:
		return []imap.Flag{imap.FlagSeen}
	}
}

// NewMessage writes a message, every third with an attachment.
func NewMessage(subject, id string, date time.Time) Message {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("From", mime.QEncoding.Encode("utf-8", "Jürgen Müßig")+" <juergen@example.org>")
	header("To", "Anna <"+Login+">")
	header("Subject", mime.QEncoding.Encode("utf-8", subject))
	header("Date", date.Format(time.RFC1123Z))
	header("Message-ID", "<"+id+">")
	header("MIME-Version", "1.0")
	text := "Liebe Anna,\r\n\r\nes geht um: " + subject + ".\r\n\r\nViele Grüße aus der Straße der Übung\r\nJürgen\r\n"
	if len(subject)%3 == 0 {
		writeMultipart(&b, header, text)
	} else {
		header("Content-Type", "text/plain; charset=utf-8")
		header("Content-Transfer-Encoding", "8bit")
		b.WriteString("\r\n" + text)
	}
	return Message{Raw: b.Bytes(), Date: date}
}

func writeMultipart(b *bytes.Buffer, header func(name, value string), text string) {
	const boundary = "=_a_line_between_parts"
	header("Content-Type", `multipart/mixed; boundary="`+boundary+`"`)
	b.WriteString("\r\n--" + boundary + "\r\n")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(b)
	_, _ = w.Write([]byte(text)) // a bytes.Buffer takes everything
	w.Close()
	b.WriteString("\r\n--" + boundary + "\r\n")
	header("Content-Type", "application/octet-stream")
	header("Content-Transfer-Encoding", "base64")
	header("Content-Disposition", `attachment; filename*=utf-8''Anh%C3%A4nge.bin`)
	b.WriteString("\r\n")
	encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(text, 20)))
	for len(encoded) > 76 {
		b.WriteString(encoded[:76] + "\r\n")
		encoded = encoded[76:]
	}
	b.WriteString(encoded + "\r\n--" + boundary + "--\r\n")
}
