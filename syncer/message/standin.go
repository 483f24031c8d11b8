package message

import (
	"bytes"
	"mime"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// standInAuthor is who writes the notices of StandIn, with the release behind it, and without an address.
const standInAuthor = "Microsoft Exchange Server"

// StandIn tells whether a header is that of the notice that Exchange delivers in place of a message which it can't
// convert, and what the notice's subject says: "Retrieval using the IMAP4 protocol failed for the following message:"
// and the message's UID. It comes in the mailbox's language, so that not its words count, but that nobody
// could have sent it: its author has no address, it has no Message-ID and came from nowhere, and it names the UID.
// What another tool once copied as if it were the message has another UID by now, and is all there is of it.
func StandIn(header []byte, uid imap.UID) (subject string, ok bool) {
	if !bytes.Contains(header, []byte(standInAuthor)) {
		return "", false
	}
	var author string
	sent := false
	EachField(header, func(name, value []byte) {
		switch strings.ToLower(string(name)) {
		case "from":
			author = string(CollapseSpace(value))
		case "subject":
			subject = decoded(string(CollapseSpace(value)))
		case "message-id", "received":
			sent = true
		}
	})
	named := strings.HasSuffix(subject, " "+strconv.FormatUint(uint64(uid), 10))
	return subject, named && !sent && strings.HasPrefix(strings.Trim(author, `"`), standInAuthor) && !strings.Contains(author, "@")
}

// decoded is a field's value as people read it (RFC 2047), or as it is where that can't be had.
func decoded(value string) string {
	var words mime.WordDecoder
	if text, err := words.DecodeHeader(value); err == nil {
		return text
	}
	return value
}
