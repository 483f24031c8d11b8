package message

import (
	"strings"
	"testing"
)

// TestStandIn: the notice that Exchange delivers in place of a message is told from mail, in every language.
func TestStandIn(t *testing.T) {
	t.Parallel()
	const (
		mime    = "MIME-Version: 1.0\nContent-Type: text/plain; charset=\"us-ascii\"\n"
		subject = "Subject: Retrieval using the IMAP4 protocol failed for the following\n message: 20004\n"
		author  = "From: Microsoft Exchange Server 2010\nTo: Anna <anna@example.com>\n"
	)
	for name, tt := range map[string]struct {
		header string
		want   bool
	}{
		"Exchange 2010":                 {mime + author + subject, true},
		"Microsoft 365":                 {"From: Microsoft Exchange Server\n" + subject, true},
		"quoted":                        {"From: \"Microsoft Exchange Server\"\n" + subject, true},
		"in German":                     {author + "Subject: =?iso-8859-1?Q?Fehler_beim_Abrufen_der_Nachricht_=FCber_IMAP4:?=\n =?iso-8859-1?Q?_20004?=\n", true},
		"in an unknown charset":         {author + "Subject: =?x-odd?Q?=FC?= 20004\n", true},
		"of another message":            {author + strings.Replace(subject, "20004", "120004", 1), false},
		"of a message before it":        {author + strings.Replace(subject, "20004", "0", 1), false},
		"forwarded":                     {"From: anna@example.com\n" + subject, false},
		"an author of this name":        {"From: Microsoft Exchange Server <info@example.com>\n" + subject, false},
		"somebody tells of the server":  {"From: Anna on Microsoft Exchange Server\n" + subject, false},
		"sent":                          {"Message-ID: <1@example.com>\n" + author + subject, false},
		"received":                      {"Received: from a.example\n" + author + subject, false},
		"an author without a subject":   {author, false},
		"a subject without its author":  {subject, false},
		"only said of it in the header": {"X-From: Microsoft Exchange Server\nFrom: anna\n" + subject, false},
	} {
		said, got := StandIn([]byte(strings.ReplaceAll(tt.header, "\n", "\r\n")+"\r\n"), 20004)
		if got != tt.want || got && !strings.Contains(said, " 20004") {
			t.Errorf("%s: %v, %q", name, got, said)
		}
	}
}
