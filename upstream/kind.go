package upstream

import (
	"errors"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// RoleOld and RoleNew are the roles of a domain's two servers.
const (
	RoleOld = "old server"
	RoleNew = "new server"
)

// Side is which of a domain's servers the error is about; "" if the session had no role.
func (e *Error) Side() store.Side {
	switch e.Role {
	case RoleOld:
		return store.OldSide
	case RoleNew:
		return store.NewSide
	}
	return ""
}

// Host is the server's name or address without its port.
func (e *Error) Host() string { return e.host() }

// Kind names what is wrong, as Summary says it.
func (e *Error) Kind() store.ProblemKind {
	switch {
	case errors.As(e.Err, new(*excess)):
		return store.Excessive
	case e.Moved != "" && (e.Op == opLogin || e.Op == opConnect):
		return store.AccountMoved
	case e.Moved != "":
		return store.FolderMoved
	case e.Class == Fix:
		return e.fixKind()
	case errors.Is(e.Err, errNoFolders):
		return store.NoFolders
	case TooMany(e):
		return store.TooManyConnections
	case e.Class == Refused:
		return store.FolderRefused
	case e.Class == Lost:
		return e.lostKind()
	case e.InUse():
		return store.MaildropInUse
	case e.After > 0, Throttled(e):
		return store.Throttled
	case errors.Is(e.Err, errNoMailServer):
		return store.NoMailServer
	case e.Op == opConnect && e.Text == "" && e.Said == "":
		return store.Unreachable
	}
	return store.Unavailable
}

// fixKind is for what a person has to mend.
func (e *Error) fixKind() store.ProblemKind {
	switch {
	case errors.As(e.Err, new(*fingerprintError)):
		return store.CertificateChanged
	case isCertificate(e.Err):
		return certificateKind(e.Err)
	case errors.As(e.Err, new(*tlsFault)) && notTLS(e.Err):
		return store.NotTLS
	case errors.As(e.Err, new(*tlsFault)) && tooOld(e.Err):
		return store.OldEncryption
	case e.Code == imap.ResponseCodeOverQuota, e.Op == verbAppend:
		return store.OverQuota
	case errors.Is(e.Err, errNoSecret):
		return store.PasswordMissing
	case e.Token != nil:
		return store.TokenRefused
	case errors.Is(e.Err, errNoTokens):
		return store.TokensNotTaken
	case errors.Is(e.Err, errNoProxy):
		return store.MasterNotTaken
	case e.Code == imap.ResponseCodeExpired:
		return store.PasswordExpired
	case e.Code == imap.ResponseCodePrivacyRequired, errors.Is(e.Err, ErrNoTLS):
		return store.NoEncryption
	case errors.Is(e.Err, errUnsendable), errors.Is(e.Err, errNUL):
		return store.PasswordUnsendable
	case errors.Is(e.Err, errPreauth):
		return store.OpenToAll
	case errors.Is(e.Err, errUnproved):
		return store.Tampering
	case unsafe(e):
		return store.ProgramRefused
	case e.Op == opLogin:
		return store.LoginRefused
	case errors.Is(e.Err, ErrNotIMAP), errors.Is(e.Err, ErrNotPOP3):
		return store.NotMailServer
	case errors.Is(e.Err, errInjected):
		return store.Tampering
	}
	return store.NoEncryption
}

// lostKind tells a broken connection from one over which nonsense came.
func (e *Error) lostKind() store.ProblemKind {
	for _, nonsense := range []error{errLiteral, errNoReply, errUnasked} {
		if errors.Is(e.Err, nonsense) {
			return store.Protocol
		}
	}
	return store.Lost
}
