package proxy

import (
	"context"
	"testing"
)

// What Gmail answers, as its documentation and its servers have it.
const (
	gmailSelect = "* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen $NotPhishing $Phishing)\n" +
		"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen $NotPhishing $Phishing \\*)] Flags permitted.\n" +
		"* OK [UIDVALIDITY 11] UIDs valid.\n* 3 EXISTS\n* 0 RECENT\n* OK [UIDNEXT 42] Predicted next UID.\n* OK [HIGHESTMODSEQ 990011]\n"
	gmailFetch = "* 3 FETCH (X-GM-THRID 1278455344230334865 X-GM-MSGID 1278455344230334865 X-GM-LABELS (\"\\\\Inbox\" \"\\\\Sent\" Important \"Muy Importante\") UID 41 RFC822.SIZE 5 MODSEQ (990010) FLAGS (\\Seen) BODY[] {5}\nmail\n)\n"
)

// TestRelayToGmail: in front of Gmail as the new server. It never sets \Recent, has items, searches
// and capabilities of its own, answers IDLE late and with several responses at once, tells of what
// arrived in between only with the next command, and ends a session by itself. All of it reaches the
// client as it is, and a visit fits in.
func TestRelayToGmail(t *testing.T) {
	visited := make(chan struct{})
	g := newRig(t, func(g *rig, _ *entry) {
		g.ferry.visit = func(context.Context, string, func(done, total int)) { close(visited) }
	})
	g.client.says("a1 SELECT INBOX\n")
	g.server.hears("a1 SELECT INBOX\n")
	<-visited
	g.server.says(gmailSelect + "a1 OK [READ-WRITE] INBOX selected. (Success)\n")
	g.client.hears(gmailSelect + "a1 OK [READ-WRITE] INBOX selected. (Success)\n")

	g.client.says("a2 UID FETCH 41 (X-GM-THRID X-GM-MSGID X-GM-LABELS BODY.PEEK[])\n")
	g.server.hears("a2 UID FETCH 41 (X-GM-THRID X-GM-MSGID X-GM-LABELS BODY.PEEK[])\n")
	g.server.says(gmailFetch + "a2 OK Success\n")
	g.client.hears(gmailFetch + "a2 OK Success\n")

	g.client.says("a3 UID STORE 41 +X-GM-LABELS.SILENT (\"Muy Importante\" {3+}\nneu)\n")
	g.server.hears("a3 UID STORE 41 +X-GM-LABELS.SILENT (\"Muy Importante\" {3+}\nneu)\n")
	g.server.says("a3 OK Success\n")
	g.client.hears("a3 OK Success\n")

	// IDLE: the continuation comes late, then several arrivals in one packet without RECENT.
	g.client.says("a5 IDLE\n")
	g.server.hears("a5 IDLE\n")
	g.client.hearsNothing()
	g.server.says("+ idling\n* 4 EXISTS\n* 5 EXISTS\n* 2 EXPUNGE\n* 4 EXISTS\n")
	g.client.hears("+ idling\n* 4 EXISTS\n* 5 EXISTS\n* 2 EXPUNGE\n* 4 EXISTS\n")
	g.client.says("DONE\n")
	g.server.hears("DONE\n")
	g.server.says("a5 OK IDLE terminated (Success)\n")
	g.client.hears("a5 OK IDLE terminated (Success)\n")

	// MOVE (RFC 6851): COPYUID in an untagged OK.
	g.client.says("a6 UID MOVE 41 \"[Gmail]/Papierkorb\"\n")
	g.server.hears("a6 UID MOVE 41 \"[Gmail]/Papierkorb\"\n")
	g.server.says("* OK [COPYUID 12 41 7]\n* 2 EXPUNGE\na6 OK Success\n")
	g.client.hears("* OK [COPYUID 12 41 7]\n* 2 EXPUNGE\na6 OK Success\n")

	g.server.says("* BYE Session expired, please login again.\n")
	g.client.hears("* BYE Session expired, please login again.\n")
	closeWrite(g.server.Conn)
	g.client.hearsEnd()
}
