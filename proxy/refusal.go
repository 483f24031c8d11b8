package proxy

import (
	"errors"
	"strings"
	"unicode"

	"github.com/emersion/go-imap/v2"

	"postferry/proxy/admission"
	"postferry/upstream"
	"postferry/upstream/link"
)

// What a client is told of a failed login where the new server has no words for it.
const (
	textWrong   = "Login or password is not right"
	textRefused = "The mail server refused the login"
	textBusy    = "The mail server is busy, try again later"
	textDown    = "The mail server can't be reached just now, try again later"
)

// spoken is a failed login with what the new server said before.
type spoken struct {
	error
	notices []upstream.Notice
}

func (e *spoken) Unwrap() error { return e.error }

// refusal is what a client is told of a failed login: the new server's own words, so that
// a person learns what to do about it.
type refusal struct {
	notices []upstream.Notice
	code    imap.ResponseCode
	text    string
}

// refusalOf finds the words for a failed login.
func refusalOf(err error) refusal {
	r := refusal{code: imap.ResponseCodeUnavailable, text: textDown}
	switch {
	case errors.Is(err, errRefused):
		r.code, r.text = imap.ResponseCodeAuthenticationFailed, textWrong
	case errors.Is(err, admission.ErrCrowded), errors.Is(err, admission.ErrTurn):
		r.text = textBusy
	}
	e, ok := errors.AsType[*link.Error](err)
	if !ok || errors.Is(err, link.ErrNotIMAP) || e.Text == "" && !link.Answered(err) {
		return r // it has said nothing that is meant for people
	}
	if s, ok := errors.AsType[*spoken](err); ok {
		r.notices = s.notices
	}
	if passable(e.Code) && e.Code != r.code {
		r.code, r.text = e.Code, textRefused
	}
	if text := printable(e.Text); text != "" && e.Text != link.Withheld {
		r.text = text
	}
	return r
}

// impassable are response codes that a client would act upon instead of showing the text:
// they are about the connection with the new server, or name another server (RFC 2221).
var impassable = map[imap.ResponseCode]bool{
	"CAPABILITY": true, "REFERRAL": true, "BADCHARSET": true, "TRYCREATE": true, "PARSE": true, "INPROGRESS": true,
}

// maxCode bounds a response code that is passed on. Octets.
const maxCode = 40

// passable reports whether a response code can be passed on: an atom (RFC 9051 section 9)
// that says why, without what came with it.
func passable(code imap.ResponseCode) bool {
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`(){%*"\]`, c) }
	return code != "" && len(code) <= maxCode && !impassable[code] && strings.IndexFunc(string(code), odd) < 0
}

// printable takes out of a text what could change how the rest of it is shown.
func printable(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, text))
}

// telling reports whether a refusal says more than that the password is wrong.
func telling(err error) bool {
	return refusalOf(err).code != imap.ResponseCodeAuthenticationFailed
}

// refuseLogin tells the client why its login failed.
func (s *session) refuseLogin(tag string, err error) error {
	r := refusalOf(err)
	return s.reply("%s%s NO [%s] %s", noticeLines(r.notices), tag, r.code, r.text)
}

// noticeLines are a server's notices as untagged responses.
func noticeLines(notices []upstream.Notice) string {
	var b strings.Builder
	for _, n := range notices {
		kind := "* NO "
		if n.Alert {
			kind = "* OK [ALERT] "
		}
		if text := printable(n.Text); text != "" {
			b.WriteString(kind + text + "\r\n")
		}
	}
	return b.String()
}
