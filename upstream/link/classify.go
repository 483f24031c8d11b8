package link

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// classOfCode are the response codes (RFC 5530 and others) that say by
// themselves what helps.
var classOfCode = map[imap.ResponseCode]Class{
	imap.ResponseCodeAuthenticationFailed: Fix,
	imap.ResponseCodeAuthorizationFailed:  Fix,
	imap.ResponseCodeExpired:              Fix,
	imap.ResponseCodePrivacyRequired:      Fix,
	imap.ResponseCodeOverQuota:            Fix,
	imap.ResponseCodeUnavailable:          Later,
	imap.ResponseCodeInUse:                Later,
	imap.ResponseCodeServerBug:            Later,
	imap.ResponseCodeLimit:                Later,
	codeThrottled:                         Later,
}

// codeThrottled is Yahoo's and Gmail's.
const codeThrottled imap.ResponseCode = "THROTTLED"

// codeReferral is that of a server that names another one (RFC 2193, RFC 2221).
const codeReferral = "REFERRAL"

// passing are words by which servers without response codes say that a
// refusal passes; throttled are those that mean it for every command.
var (
	passing = []string{"temporar", "unavailable", "internal", "too many", "try again", "later", "timeout",
		"timed out", "busy", "not connected", "maximum number of connections", "overload"}
	throttled = []string{"suggested backoff", "throttl", "rate limit", "bandwidth", "too many simultaneous", "too many connections"}
	// capped are those by which servers say that a client has more connections
	// than they allow: Gmail, Courier, Yahoo, Zimbra; Dovecot; Cyrus; Exchange.
	capped = []string{"too many simultaneous", "too many concurrent", "too many connections", "too many open connections", "too many sessions",
		"maximum number of connections", "maximum number of sessions", "connection limit", "connections exceeded", "session limit"}
)

// unsafeLogin is how 163.com and its sisters say that they don't know the client.
const unsafeLogin = "unsafe login"

// Unsafe recognises that.
func Unsafe(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && strings.Contains(strings.ToLower(e.Text), unsafeLogin)
}

// Throttled reports that a server asks for less, whatever is asked of it.
func Throttled(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (AsksForLess(err) || e.Code == imap.ResponseCodeLimit)
}

// AsksForLess is Throttled but for LIMIT by itself, which may be about the one thing that
// was asked for (RFC 5530 section 3: the operation ran up against an implementation limit).
func AsksForLess(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.After > 0 || e.Code == codeThrottled || containsAny(strings.ToLower(e.Text), throttled))
}

// TooMany reports that a server refused a connection or a login because there
// are too many connections already: a matter of their number, not of its health.
func TooMany(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Op == OpLogin || e.Op == OpConnect) && containsAny(strings.ToLower(e.Text), capped)
}

// classify says what helps against a NO, BAD, BYE or -ERR.
func classify(op string, st *Response) Class {
	if st.Kind == KindErr {
		return classifyPOP3(op, st)
	}
	text := strings.ToLower(st.Text)
	if containsAny(text, throttled) {
		return Later
	}
	if class, ok := classOfCode[imap.ResponseCode(st.Code)]; ok {
		return class
	}
	switch {
	case strings.Contains(text, unsafeLogin):
		return Fix
	case st.Code == codeReferral && (op == OpLogin || op == OpConnect):
		return Fix
	case st.Kind == "BYE" && (op == OpLogin || op == OpConnect):
		return Later
	case st.Kind == "BYE": // of a server that had let us in: an idle session's end, a restart
		return Lost
	case (op == OpLogin || op == VerbAppend || op == VerbCreate) && st.Code == "" && saysLater(text):
		return Later
	case op == OpLogin && containsAny(text, passing):
		return Later
	case op == OpLogin:
		return Fix
	case op == VerbAppend && strings.Contains(text, "quota"):
		return Fix
	}
	return Refused
}

// saysLater tells whether words without a response code say that something passes. What
// only looks like that is taken out first: a message may have "too many" of something for
// good, or an invalid INTERNALDATE.
func saysLater(text string) bool {
	for _, lasting := range lastingWords {
		text = strings.ReplaceAll(text, lasting, "")
	}
	return containsAny(text, passing)
}

// lastingWords contain words for what passes and mean what doesn't.
var lastingWords = []string{"internaldate", "internal date", "too many header", "too many line", "too many recipient", "too many part",
	"too many folders", "too many mailboxes", "too many levels", "or later"}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// backoffMark is how Exchange says when to come back.
const backoffMark = "suggested backoff time:"

// MaxBackoff bounds what a server's hint may ask for.
const MaxBackoff = 24 * time.Hour

// backoffHint reads "Suggested Backoff Time: N milliseconds".
func backoffHint(text string) time.Duration {
	_, rest, found := strings.Cut(strings.ToLower(text), backoffMark)
	if !found {
		return 0
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimRight(fields[0], ".,;"), 10, 32)
	if err != nil {
		return 0
	}
	unit := time.Millisecond
	if len(fields) > 1 && strings.HasPrefix(fields[1], "second") {
		unit = time.Second
	}
	return min(time.Duration(n)*unit, MaxBackoff)
}

// Referral is the server that a response refers to, "" if to none. Its URL is
// an IMAP URL (RFC 5092); the first counts.
func Referral(st *Response) string {
	if st.Code != codeReferral {
		return ""
	}
	first, _, _ := strings.Cut(st.Args, " ")
	u, err := url.Parse(first)
	if err != nil || !strings.EqualFold(u.Scheme, "imap") && !strings.EqualFold(u.Scheme, "imaps") {
		return ""
	}
	return strings.ToLower(u.Host)
}

// KindErr is the kind of a refusal in POP3.
const KindErr = "-ERR"

// Response codes of RFC 2449 section 8.1 and RFC 3206.
const (
	CodeInUse      = "IN-USE"
	CodeLoginDelay = "LOGIN-DELAY"
)

// classOfPOP3Code says what helps against a response code by itself. SYS/PERM
// is about the account at login, about the message later.
var classOfPOP3Code = map[string]Class{
	CodeInUse:      Later,
	CodeLoginDelay: Later,
	"SYS/TEMP":     Later,
	"AUTH":         Fix,
}

// lockWords are how servers without response codes say that another session
// has the mailbox.
var lockWords = []string{"in use", "lock busy", "another session", "another pop", "already open", "already locked",
	"unable to lock", "lock mail", "lock the mail", "can't get lock", "can't lock", "cannot lock", "could not lock",
	"mailbox is locked", "maildrop is locked", "mailbox locked", "maildrop locked", "maildrop already"}

// classifyPOP3 says what helps against a -ERR.
func classifyPOP3(op string, st *Response) Class {
	text := strings.ToLower(st.Text)
	if containsAny(text, throttled) {
		return Later
	}
	if class, ok := classOfPOP3Code[st.Code]; ok {
		return class
	}
	if class, ok := classOfCode[imap.ResponseCode(st.Code)]; ok {
		return class
	}
	switch {
	case op == OpConnect:
		return Later
	case op == OpLogin && (containsAny(text, passing) || containsAny(text, lockWords)):
		return Later
	case op == OpLogin:
		return Fix
	}
	return Refused
}

// OneAccount tells whether an error that passes is about the account alone and
// says nothing of the server: another session has the mailbox, or the last
// login was too recently.
func (e *Error) OneAccount() bool { return e.InUse() || e.Code == CodeLoginDelay }

// InUse tells whether an error says that another session has the mailbox.
func (e *Error) InUse() bool {
	return e.Code == CodeInUse || e.Code == imap.ResponseCodeInUse ||
		e.Op == OpLogin && e.Class == Later && containsAny(strings.ToLower(e.Text), lockWords)
}
