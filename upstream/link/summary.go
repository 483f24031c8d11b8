package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Summary is a sentence the person at the screen can act on.
func (e *Error) Summary() string {
	s := e.summary(e.who())
	if after, ok := strings.CutPrefix(s, "the "); ok {
		return "The " + after
	}
	return s
}

func (e *Error) summary(host string) string {
	switch {
	case errors.Is(e.Err, ErrReadOnly):
		return "A change of " + host + " was prevented: Postferry only reads there."
	case errors.Is(e.Err, context.Canceled):
		return "The work with " + host + " was stopped; it goes on with the next pass."
	case e.Moved != "" && (e.Op == OpLogin || e.Op == OpConnect):
		return fmt.Sprintf("%s says that this account is kept on another server, %s. Put that one into the configuration, or have the account moved back.", host, e.Moved)
	case e.Moved != "":
		return fmt.Sprintf("%s says that the folder is kept on another server, %s. It can't be copied from here.", host, e.Moved)
	case errors.As(e.Err, new(*Excess)):
		return e.excessSummary(host)
	case e.Class == Fix:
		return e.fixSummary(host)
	case e.tlsSummary(host) != "":
		return e.tlsSummary(host)
	case errors.Is(e.Err, ErrNoFolders):
		return host + " lists no folder at all, not even INBOX, which always exists. It is tried again by itself; if it stays so, see whether the mailbox exists there."
	case TooMany(e):
		return host + " allows no more connections at the moment" + e.words() + ". It is tried again by itself; if it stays so, other programs use up what it allows."
	case e.Class == Refused:
		return fmt.Sprintf("%s refused %s%s.", host, e.Op, e.words())
	case e.Class == Lost:
		return "The connection with " + host + " was lost" + e.words() + ". It is made again by itself."
	case e.InUse():
		return "The mailbox at " + host + " is in use: a mail program is fetching from it, or has just been. It is tried again by itself."
	case e.After > 0:
		return fmt.Sprintf("%s asks for a pause of %v. It is tried again by itself.", host, e.After)
	case errors.Is(e.Err, ErrNoMailServer):
		return "No mail server that may be used answers at " + e.host() + ". It is tried again by itself; check its name, port and security. " + outside
	case e.Op == OpConnect && e.Text == "" && e.Said == "":
		return host + " can't be reached. It is tried again by itself; check that it runs and that its address is right."
	}
	return host + " is not available at the moment" + e.words() + ". It is tried again by itself."
}

// correct says where logins and passwords are corrected.
const correct = "Correct it on the import page, or in the list and import that again."

// outside says what an administrator of one domain can do about a server inside.
const outside = "Servers inside private networks, and connections without TLS, have to be allowed by an administrator of all domains."

// fixSummary is for what a person has to mend.
func (e *Error) fixSummary(host string) string {
	var pin *fingerprintError
	switch {
	case errors.As(e.Err, &pin):
		return fmt.Sprintf("%s shows another certificate than the accepted one. If it is the right one, accept its SHA-256 fingerprint %X in the domain's settings.", host, pin.got)
	case isCertificate(e.Err):
		return certificateSummary(e.Err, host)
	case e.tlsSummary(host) != "":
		return e.tlsSummary(host)
	case e.Code == imap.ResponseCodeOverQuota, e.Op == VerbAppend:
		return "The mailbox at " + host + " is full" + e.words() + ". Make room or raise its quota; then the copying goes on."
	case errors.Is(e.Err, ErrNoSecret):
		return "No password is known for this account at " + host + ". Enter it on the import page, or import the list with it."
	case e.Token != nil:
		return host + " refused the token that was fetched for this account" + e.words() + ". See whether the account and the application have access to IMAP there."
	case errors.Is(e.Err, errNoTokens):
		return host + " takes no tokens. Choose another way to sign in for this domain, or have OAUTHBEARER or XOAUTH2 switched on there."
	case errors.Is(e.Err, errNoProxy):
		return host + " offers no way for a master login to open somebody else's mailbox. Have AUTH=PLAIN switched on there, or set a separator if it takes logins such as anna*master."
	case e.Code == imap.ResponseCodeExpired:
		return host + " says that this account's password has expired" + e.words() + ". Set a new one there. " + correct
	case errors.Is(e.Err, ErrNoTLS):
		return host + " offers no encryption on this port (no STARTTLS), so no password is sent to it. Use its TLS port (imaps:// or pop3s:// in the domain's settings), or have STARTTLS switched on there."
	case e.Code == imap.ResponseCodePrivacyRequired:
		return host + " does not take passwords on this connection. Check the server's URL in the domain's settings."
	case errors.Is(e.Err, ErrUnsendable):
		return "The login or password of this account contains a line break or a NUL character. " + correct
	case errors.Is(e.Err, ErrNUL):
		return "The login or password of this account contains a NUL character. " + correct
	case errors.Is(e.Err, ErrPreauth):
		return host + " lets everybody in without a password (PREAUTH), so it can't be used."
	case errors.Is(e.Err, ErrUnproved):
		return "Somebody may be standing between Postferry and " + host + ": what answers does not know the password. Check the network between."
	case Unsafe(e):
		return host + " lets only programs in that it knows" + e.words() + ". Allow IMAP for others in the account's settings there, then run it again, or import it again."
	case e.Op == OpLogin:
		return host + " refused the password of this account" + e.words() + ". " + correct
	case errors.Is(e.Err, ErrNotIMAP), errors.Is(e.Err, ErrNotPOP3):
		return host + " does not answer as a mail server. Check the server's URL in the domain's settings."
	case errors.Is(e.Err, errUnprotected):
		return host + " is to be used without TLS. " + outside
	case errors.Is(e.Err, ErrInjected):
		return "Somebody may be tampering with the connection to " + host + ". Check the network between."
	}
	return "No protected connection with " + host + " can be made. Check the server's URL in the domain's settings."
}

// tlsSummary says why no protected connection came about; "" if it is another fault.
func (e *Error) tlsSummary(host string) string {
	var fault *tlsFault
	if !errors.As(e.Err, &fault) {
		return ""
	}
	return fault.summary(host, e.Side())
}

// excessSummary is for answers that are beyond all bounds.
func (e *Error) excessSummary(host string) string {
	much, _ := errors.AsType[*Excess](e.Err)
	s := fmt.Sprintf("%s answers with more than any mail server has to tell (%s), so it is broken or means harm. ", host, much.Of)
	if e.Class == Fix {
		return s + "Nothing is asked of it for this account until a person runs it again."
	}
	return s + "It is asked again later."
}

// words quotes the server.
func (e *Error) words() string {
	switch {
	case e.Text == "" && e.Said == "":
		return ""
	case e.Text == "":
		return fmt.Sprintf(" (it said %q)", e.Said)
	case e.Said == "" || e.Said == e.Text:
		return fmt.Sprintf(" (it says %q)", e.Text)
	}
	return fmt.Sprintf(" (it says %q, and before that %q)", e.Text, e.Said)
}

// who is the server as people know it.
func (e *Error) who() string {
	if e.Role == "" {
		return e.host()
	}
	return fmt.Sprintf("the %s (%s)", e.Role, e.host())
}

// host is the server without its port.
func (e *Error) host() string {
	host, _, err := net.SplitHostPort(e.Server)
	if err != nil {
		return e.Server
	}
	return host
}
