package session

import (
	"context"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// Traits are what a kind of old server is like.
type Traits struct {
	// Folders: it has folders, and tells how they are before they are opened. Otherwise it has an
	// INBOX, of which nothing is known.
	Folders bool
	// Flags: its messages have flags.
	Flags bool
	// StableUIDs: a message's UID lasts beyond the session, as UIDVALIDITY says. Otherwise it is good
	// in one session only, which goes on with what was listed at its beginning.
	StableUIDs bool
	// StableKeys: a message keeps its key, as long as UIDVALIDITY stays. Otherwise the server may
	// give others without notice.
	StableKeys bool
	// ListedSizes: the listed size of a message is that of its body.
	ListedSizes bool
	// Pipelining: more may be asked for before an answer has come, and the folder that comes next
	// while the last messages of one come.
	Pipelining bool
	// Search: it can be searched.
	Search bool
	// Watch: it may tell of new mail by itself.
	Watch bool
	// Exclusive: a session may keep the mailbox from its owner, and logins are counted. No session
	// is kept without a job.
	Exclusive bool
	// HoldFor is how long a session may last then; 0 for as long as there is something to do.
	HoldFor time.Duration
}

// Kind is a kind of old server: what it is like, and how a session with it is opened.
type Kind struct {
	Traits Traits
	Dial   DialFunc[Source]
}

// kinds are all there are. Another kind of old server has its place here, beside its protocol in
// package config.
func kinds() map[config.Protocol]Kind {
	return map[config.Protocol]Kind{
		config.IMAP: {imapTraits(), dialIMAPSource},
		config.POP3: {pop3Traits(), dialPOP3},
	}
}

// TraitsOf are those of a server's kind.
func TraitsOf(server config.Server) Traits { return kinds()[server.Protocol].Traits }

// DialOld opens a session with an old server, of whatever kind it is.
func DialOld(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (Source, error) {
	return kinds()[server.Protocol].Dial(ctx, server, c, opt)
}
