package link

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
	case errors.As(e.Err, new(*Excess)):
		return store.Excessive
	case e.Moved != "" && (e.Op == OpLogin || e.Op == OpConnect):
		return store.AccountMoved
	case e.Moved != "":
		return store.FolderMoved
	case e.Class == Fix:
		return e.fixKind()
	case errors.Is(e.Err, ErrNoFolders):
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
	case errors.Is(e.Err, ErrNoMailServer):
		return store.NoMailServer
	case e.Op == OpConnect && e.Text == "" && e.Said == "":
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
	case e.Code == imap.ResponseCodeOverQuota, e.Op == VerbAppend:
		return store.OverQuota
	case errors.Is(e.Err, ErrNoSecret):
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
	case errors.Is(e.Err, ErrUnsendable), errors.Is(e.Err, ErrNUL):
		return store.PasswordUnsendable
	case errors.Is(e.Err, ErrPreauth):
		return store.OpenToAll
	case errors.Is(e.Err, ErrUnproved):
		return store.Tampering
	case Unsafe(e):
		return store.ProgramRefused
	case e.Op == OpLogin:
		return store.LoginRefused
	case errors.Is(e.Err, ErrNotIMAP), errors.Is(e.Err, ErrNotPOP3):
		return store.NotMailServer
	case errors.Is(e.Err, ErrInjected):
		return store.Tampering
	}
	return store.NoEncryption
}

// lostKind tells a broken connection from one over which nonsense came.
func (e *Error) lostKind() store.ProblemKind {
	for _, nonsense := range []error{ErrLiteral, ErrNoReply, ErrUnasked} {
		if errors.Is(e.Err, nonsense) {
			return store.Protocol
		}
	}
	return store.Lost
}
