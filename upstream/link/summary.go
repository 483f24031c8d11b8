package link

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
)

// Summary says what is wrong in a sentence that the person at the screen can act on.
func (e *Error) Summary() reason.Reason {
	who := e.who()
	switch {
	case errors.Is(e.Err, ErrReadOnly):
		return reason.Of(reason.TroubleReadOnly, who)
	case errors.Is(e.Err, context.Canceled):
		return reason.Of(reason.TroubleStopped, who)
	case e.Moved != "" && (e.Op == OpLogin || e.Op == OpConnect):
		return reason.Of(reason.TroubleAccountMoved, who, e.Moved)
	case e.Moved != "":
		return reason.Of(reason.TroubleFolderMoved, who, e.Moved)
	case errors.As(e.Err, new(*Excess)):
		return e.excessSummary()
	case e.Class == Fix:
		return e.fixSummary()
	case e.tlsSummary() != "":
		return e.tlsSummary()
	case errors.Is(e.Err, ErrNoFolders):
		return reason.Of(reason.TroubleNoFolders, who)
	case TooMany(e):
		return reason.Of(reason.TroubleTooMany, who, e.says())
	case e.Class == Refused:
		return reason.Of(reason.TroubleRefused, who, e.Op, e.says())
	case e.Class == Lost:
		return reason.Of(reason.TroubleLost, who, e.says())
	case e.InUse():
		return reason.Of(reason.TroubleInUse, who)
	case e.After > 0:
		return reason.Of(reason.TroublePause, who, e.After)
	case errors.Is(e.Err, ErrNoMailServer):
		return reason.Of(reason.TroubleNoMailServer, e.host())
	case e.Op == OpConnect && e.Text == "" && e.Said == "":
		return reason.Of(reason.TroubleUnreachable, who)
	}
	return reason.Of(reason.TroubleUnavailable, who, e.says())
}

// fixSummary is for what a person has to mend.
func (e *Error) fixSummary() reason.Reason {
	var pin *fingerprintError
	who := e.who()
	switch {
	case errors.As(e.Err, &pin):
		return reason.Of(reason.TroubleFingerprint, who, fmt.Sprintf("%X", pin.got))
	case isCertificate(e.Err):
		return certificateSummary(e.Err, who)
	case e.tlsSummary() != "":
		return e.tlsSummary()
	case e.Code == imap.ResponseCodeOverQuota, e.Op == VerbAppend:
		return reason.Of(reason.TroubleFull, who, e.says())
	case errors.Is(e.Err, ErrNoSecret):
		return reason.Of(reason.TroubleNoPassword, who)
	case e.Token != nil:
		return reason.Of(reason.TroubleToken, who, e.says())
	case errors.Is(e.Err, errNoTokens):
		return reason.Of(reason.TroubleNoTokens, who)
	case errors.Is(e.Err, errNoProxy):
		return reason.Of(reason.TroubleNoMaster, who)
	case e.Code == imap.ResponseCodeExpired:
		return reason.Of(reason.TroubleExpired, who, e.says())
	case errors.Is(e.Err, ErrNoTLS):
		return reason.Of(reason.TroubleNoSTARTTLS, who)
	case e.Code == imap.ResponseCodePrivacyRequired:
		return reason.Of(reason.TroubleUnprotected, who)
	case errors.Is(e.Err, ErrUnsendable):
		return reason.Of(reason.TroubleUnsendable)
	case errors.Is(e.Err, ErrNUL):
		return reason.Of(reason.TroubleNUL)
	case errors.Is(e.Err, ErrPreauth):
		return reason.Of(reason.TroublePreauth, who)
	case errors.Is(e.Err, ErrUnproved):
		return reason.Of(reason.TroubleUnproved, who)
	case Unsafe(e):
		return reason.Of(reason.TroubleProgram, who, e.says())
	case e.Op == OpLogin:
		return reason.Of(reason.TroubleLogin, who, e.says())
	case errors.Is(e.Err, ErrNotIMAP), errors.Is(e.Err, ErrNotPOP3):
		return reason.Of(reason.TroubleNotMail, who)
	case errors.Is(e.Err, errUnprotected):
		return reason.Of(reason.TroubleWithoutTLS, who)
	case errors.Is(e.Err, ErrInjected):
		return reason.Of(reason.TroubleTampering, who)
	}
	return reason.Of(reason.TroubleNoProtected, who)
}

// tlsSummary says why no protected connection came about; "" if it is another fault.
func (e *Error) tlsSummary() reason.Reason {
	var fault *tlsFault
	if !errors.As(e.Err, &fault) {
		return ""
	}
	return fault.summary(e.who(), e.Side())
}

// excessSummary is for answers that are beyond all bounds.
func (e *Error) excessSummary() reason.Reason {
	much, _ := errors.AsType[*Excess](e.Err)
	if e.Class == Fix {
		return reason.Of(reason.TroubleExcessLasting, e.who(), much.Of)
	}
	return reason.Of(reason.TroubleExcess, e.who(), much.Of)
}

// says quotes the server; "" if it said nothing.
func (e *Error) says() reason.Reason {
	switch {
	case e.Text == "" && e.Said == "":
		return ""
	case e.Text == "":
		return reason.Of(reason.ServerSaid, e.Said)
	case e.Said == "" || e.Said == e.Text:
		return reason.Of(reason.ServerSays, e.Text)
	}
	return reason.Of(reason.ServerSaysSaid, e.Text, e.Said)
}

// who is the server as people know it.
func (e *Error) who() reason.Reason {
	switch e.Role {
	case RoleOld:
		return reason.Of(reason.ServerOld, e.host())
	case RoleNew:
		return reason.Of(reason.ServerNew, e.host())
	}
	return reason.Said(e.host())
}

// host is the server without its port.
func (e *Error) host() string {
	host, _, err := net.SplitHostPort(e.Server)
	if err != nil {
		return e.Server
	}
	return host
}
