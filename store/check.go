package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"postferry/internal/asciifold"
)

const (
	maxKey   = 255  // octets
	maxName  = 255  // octets of an administrator's or a token's name
	maxLogin = 1024 // octets

	minEvery = time.Minute
)

// Invalid returns an ErrInvalid that says what is wrong.
func Invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// CheckAccount refuses an account that is malformed.
func CheckAccount(a *Account) error {
	switch {
	case a.Login == "":
		return Invalid("an account without a login")
	case len(a.Login) > maxLogin:
		return Invalid("a login of %d octets: at most %d are allowed", len(a.Login), maxLogin)
	case a.Origin != Imported && a.Origin != Enrolled:
		return Invalid("account %q: origin %q is neither %q nor %q", a.Login, a.Origin, Imported, Enrolled)
	}
	if err := CheckState(a.State); err != nil {
		return err
	}
	return CheckProblem(a.Problem)
}

// CheckCredentialChange refuses a change of credentials that is malformed.
func CheckCredentialChange(c CredentialChange) error {
	for _, side := range []Credentials{c.Old, c.New} {
		if side.Login != "" && side.Password == "" {
			return Invalid("another login without its password")
		}
	}
	if c == (CredentialChange{}) {
		return Invalid("credentials to change: none")
	}
	return nil
}

// CheckState refuses a state that there is not.
func CheckState(s State) error {
	switch s {
	case Waiting, Active, Stopped, Finished:
		return nil
	}
	return Invalid("state %q is none of %q, %q, %q, %q", s, Waiting, Active, Stopped, Finished)
}

// CheckProblem refuses a problem that is malformed.
func CheckProblem(p *Problem) error {
	if p == nil || p.Advice == RetryLater || p.Advice == NeedsFix {
		return nil
	}
	return Invalid("a problem's advice %q is neither %q nor %q", p.Advice, RetryLater, NeedsFix)
}

// CheckFolder refuses a folder that is malformed.
func CheckFolder(f *Folder) error {
	switch f.State {
	case FolderPlanned, FolderPresent, FolderMissing, FolderDeleted, FolderSkipped:
		return nil
	}
	return Invalid("folder %q: state %q is none of %q, %q, %q, %q, %q",
		f.Title, f.State, FolderPlanned, FolderPresent, FolderMissing, FolderDeleted, FolderSkipped)
}

func checkKey(k Key) error {
	if len(k) == 0 || len(k) > maxKey {
		return Invalid("a message key of %d octets: 1 to %d are allowed", len(k), maxKey)
	}
	return nil
}

// CheckBatch refuses a batch with a key that can be none.
func CheckBatch(b *Batch) error {
	for _, keys := range [][]Key{b.Forget, b.Drop, b.Release, b.Found} {
		for _, k := range keys {
			if err := checkKey(k); err != nil {
				return err
			}
		}
	}
	for _, m := range b.Moved {
		if err := errors.Join(checkKey(m.Key), checkKey(m.To)); err != nil {
			return err
		}
	}
	for i := range b.Away {
		if err := checkKey(b.Away[i].Line.Key); err != nil {
			return err
		}
	}
	for i := range b.Lost {
		if err := checkKey(b.Lost[i].Key); err != nil {
			return err
		}
	}
	for i := range b.Intents {
		if err := checkKey(b.Intents[i].Key); err != nil {
			return err
		}
	}
	for i := range b.Proofs {
		if err := checkKey(b.Proofs[i].Key); err != nil {
			return err
		}
	}
	for i := range b.Repaired {
		if err := checkKey(b.Repaired[i].Key); err != nil {
			return err
		}
	}
	for i := range b.Quarantine {
		if err := checkKey(b.Quarantine[i].Key); err != nil {
			return err
		}
	}
	if b.Order != nil {
		return CheckOrder(b.Order)
	}
	return nil
}

// CheckDomain refuses a domain that is malformed.
func CheckDomain(d *Domain) error {
	switch {
	case d.Name == "" || len(d.Name) > maxLogin:
		return Invalid("a domain's name of %d octets: 1 to %d are allowed", len(d.Name), maxLogin)
	case d.Name != string(FoldLogin(d.Name)):
		return Invalid("domain %q: expected its name in lower case", d.Name)
	case d.Old == "" || d.New == "":
		return Invalid("domain %q without an old or a new server", d.Name)
	case !sha256OrNone(d.OldFingerprint) || !sha256OrNone(d.NewFingerprint):
		return Invalid("domain %q: a fingerprint that is no SHA-256", d.Name)
	}
	switch d.OldSetBy {
	case SetByUnknown, SetByAll, SetByDomain:
		return nil
	}
	return Invalid("domain %q: who set its old server is %q, none of %q, %q", d.Name, d.OldSetBy, SetByAll, SetByDomain)
}

func sha256OrNone(b []byte) bool { return len(b) == 0 || len(b) == sha256.Size }

// CheckSchedule refuses a schedule that is malformed.
func CheckSchedule(s *Schedule) error {
	switch {
	case s.Domain == "" || len(s.Domain) > maxLogin || s.Domain != string(FoldLogin(s.Domain)):
		return Invalid("a schedule of domain %q: expected its name in lower case", s.Domain)
	case s.Every != 0 && s.Every < minEvery:
		return Invalid("domain %q: a schedule of every %v: expected at least %v", s.Domain, s.Every, minEvery)
	}
	return nil
}

// CheckMoveOf refuses the name of a domain whose move is noted.
func CheckMoveOf(domain string) error {
	if domain == "" || len(domain) > maxLogin || domain != string(FoldLogin(domain)) {
		return Invalid("a move of domain %q: expected its name in lower case", domain)
	}
	return nil
}

// CheckRun refuses a run that is malformed.
func CheckRun(r *Run) error {
	switch r.Kind {
	case FirstRun, AgainRun, ScheduledRun:
	default:
		return Invalid("a run's kind %q is none of %q, %q, %q", r.Kind, FirstRun, AgainRun, ScheduledRun)
	}
	switch r.State {
	case RunOpen, RunStopped, RunDone:
		return nil
	}
	return Invalid("a run's state %q is none of %q, %q, %q", r.State, RunOpen, RunStopped, RunDone)
}

// CheckRunAccount refuses an account's part in a run that is malformed.
func CheckRunAccount(a *RunAccount) error {
	switch a.Outcome {
	case OutcomeOpen, OutcomeComplete, OutcomeFailed, OutcomeStopped:
		return CheckProblem(a.Problem)
	}
	return Invalid("an outcome %q is none of %q, %q, %q, %q", a.Outcome, OutcomeOpen, OutcomeComplete, OutcomeFailed, OutcomeStopped)
}

// CheckAdmin refuses an administrator that is malformed.
func CheckAdmin(a *Admin) error {
	switch {
	case a.Name == "" || len(a.Name) > maxName:
		return Invalid("an administrator's name of %d octets: 1 to %d are allowed", len(a.Name), maxName)
	case a.Hash == "":
		return Invalid("administrator %q has no password", a.Name)
	}
	return nil
}

// CheckToken refuses a token that is malformed.
func CheckToken(t *Token) error {
	if t.Name == "" || len(t.Name) > maxName {
		return Invalid("a token's name of %d octets: 1 to %d are allowed", len(t.Name), maxName)
	}
	return nil
}

// CheckAuditEntry refuses an entry of the audit log that is malformed.
func CheckAuditEntry(e *AuditEntry) error {
	switch {
	case e.Action == "":
		return Invalid("an audit entry without an action")
	case len(e.Domain) > maxName:
		return Invalid("an audit entry about a domain of %d octets: at most %d are allowed", len(e.Domain), maxName)
	}
	return nil
}

// FoldLogin makes logins that differ in the case of ASCII letters equal.
func FoldLogin(login string) []byte { return []byte(asciifold.Lower(login)) }
