package control

import (
	"errors"

	"postferry/report"
	"postferry/store"
)

// The control socket speaks HTTP: one JSON object asks, one JSON object a line
// answers. Both ends are always the same user and mostly the same program, but
// an upgrade may leave an older daemon running for a while: fields may join,
// and a daemon that does not know a path says so.
const (
	pathDomains  = "/v1/domains"  // POST domainsRequest -> domainsReply
	pathAccounts = "/v1/accounts" // POST importRequest -> importReply
	pathSync     = "/v1/sync"     // POST syncRequest -> syncReply...
	pathStatus   = "/v1/status"   // POST StatusQuery -> statusReply...
	pathVerify   = "/v1/verify"   // POST VerifyQuery -> verifyReply...
	pathPlan     = "/v1/plan"     // POST syncRequest -> planReply...
)

type domainsRequest struct{}

// domainsReply names the domains that the daemon knows, which may be more than
// those of the configuration.
type domainsReply struct {
	Domains []knownDomain `json:"domains"`
}

// knownDomain is what an account list and discover need to know of a domain.
type knownDomain struct {
	Name    string `json:"name"`
	Default bool   `json:"default,omitempty"`
	New     string `json:"new,omitempty"` // host of its new server
}

// importRequest carries passwords: it goes nowhere but through the socket.
type importRequest struct {
	Accounts []importedAccount `json:"accounts"`
}

// importedAccount is a store.Account whose secrets are spelled out.
type importedAccount struct {
	Domain      string `json:"domain"`
	Login       string `json:"login"`
	OldLogin    string `json:"old_login"`
	OldPassword string `json:"old_password"`
	NewLogin    string `json:"new_login"`
	NewPassword string `json:"new_password"`
}

func revealAccount(a store.Account) importedAccount {
	return importedAccount{
		Domain: a.Domain, Login: a.Login,
		OldLogin: a.Old.Login, OldPassword: a.Old.Password.Reveal(),
		NewLogin: a.New.Login, NewPassword: a.New.Password.Reveal(),
	}
}

func (a importedAccount) account() store.Account {
	return store.Account{
		Domain: a.Domain, Login: a.Login,
		Old: store.Credentials{Login: a.OldLogin, Password: store.Secret(a.OldPassword)},
		New: store.Credentials{Login: a.NewLogin, Password: store.Secret(a.NewPassword)},
	}
}

type importReply struct {
	Added   int `json:"added"`
	Updated int `json:"updated"`
}

type syncRequest struct {
	Logins []string `json:"logins,omitempty"`
}

// syncReply is one line of a sync's answer: progress, or a result, or the end.
type syncReply struct {
	Live    []report.Live `json:"live,omitempty"`
	Waiting int           `json:"waiting,omitempty"` // accounts that have not had their turn
	Result  *SyncResult   `json:"result,omitempty"`
	End     bool          `json:"end,omitempty"`
	Error   *replyError   `json:"error,omitempty"`
}

// statusReply is one line of a status's answer: a record, or the end.
type statusReply struct {
	StatusRecord
	End   bool        `json:"end,omitempty"`
	Error *replyError `json:"error,omitempty"`
}

// done is the answer where there is nothing to tell.
type done struct{}

// replyError is an error with the exit status it would have had.
type replyError struct {
	Message string `json:"message"`
	Code    int    `json:"code,omitempty"`
}

func describeError(err error) *replyError {
	if err == nil {
		return nil
	}
	e := &replyError{Message: err.Error()}
	var coded *ExitError
	if errors.As(err, &coded) {
		e.Code = coded.Code
	}
	return e
}

// err is the error as this process would have seen it.
func (e *replyError) err() error {
	if e == nil {
		return nil
	}
	err := errors.New(e.Message)
	if e.Code != 0 {
		return &ExitError{e.Code, err}
	}
	return err
}
