package store

import (
	"crypto/sha256"
	"fmt"
	"time"
)

const (
	maxKey   = 255  // octets
	maxLogin = 1024 // octets

	minEvery = time.Minute
)

// invalid returns an ErrInvalid that says what is wrong.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

func checkAccount(a *Account) error {
	switch {
	case a.Login == "":
		return invalid("an account without a login")
	case len(a.Login) > maxLogin:
		return invalid("a login of %d octets: at most %d are allowed", len(a.Login), maxLogin)
	case a.Origin != Imported && a.Origin != Enrolled:
		return invalid("account %q: origin %q is neither %q nor %q", a.Login, a.Origin, Imported, Enrolled)
	}
	if err := checkState(a.State); err != nil {
		return err
	}
	return checkProblem(a.Problem)
}

func checkCredentialChange(c CredentialChange) error {
	for _, side := range []Credentials{c.Old, c.New} {
		if side.Login != "" && side.Password == "" {
			return invalid("another login without its password")
		}
	}
	if c == (CredentialChange{}) {
		return invalid("credentials to change: none")
	}
	return nil
}

func checkState(s State) error {
	switch s {
	case Waiting, Active, Stopped, Finished:
		return nil
	}
	return invalid("state %q is none of %q, %q, %q, %q", s, Waiting, Active, Stopped, Finished)
}

func checkProblem(p *Problem) error {
	if p == nil || p.Advice == RetryLater || p.Advice == NeedsFix {
		return nil
	}
	return invalid("a problem's advice %q is neither %q nor %q", p.Advice, RetryLater, NeedsFix)
}

func checkFolder(f *Folder) error {
	switch f.State {
	case FolderPlanned, FolderPresent, FolderMissing, FolderDeleted, FolderSkipped:
		return nil
	}
	return invalid("folder %q: state %q is none of %q, %q, %q, %q, %q",
		f.Title, f.State, FolderPlanned, FolderPresent, FolderMissing, FolderDeleted, FolderSkipped)
}

func checkKey(k Key) error {
	if len(k) == 0 || len(k) > maxKey {
		return invalid("a message key of %d octets: 1 to %d are allowed", len(k), maxKey)
	}
	return nil
}

func checkBatch(b *Batch) error {
	for _, keys := range [][]Key{b.Forget, b.Drop, b.Release, b.Found} {
		for _, k := range keys {
			if err := checkKey(k); err != nil {
				return err
			}
		}
	}
	for _, m := range b.Moved {
		if err := checkKey(m.Key); err != nil {
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
	return nil
}

func checkDomain(d *Domain) error {
	switch {
	case d.Name == "" || len(d.Name) > maxLogin:
		return invalid("a domain's name of %d octets: 1 to %d are allowed", len(d.Name), maxLogin)
	case d.Name != string(foldLogin(d.Name)):
		return invalid("domain %q: expected its name in lower case", d.Name)
	case d.Old == "" || d.New == "":
		return invalid("domain %q without an old or a new server", d.Name)
	case !sha256OrNone(d.OldFingerprint) || !sha256OrNone(d.NewFingerprint):
		return invalid("domain %q: a fingerprint that is no SHA-256", d.Name)
	}
	switch d.OldSetBy {
	case SetByUnknown, SetByAll, SetByDomain:
		return nil
	}
	return invalid("domain %q: who set its old server is %q, none of %q, %q", d.Name, d.OldSetBy, SetByAll, SetByDomain)
}

func sha256OrNone(b []byte) bool { return len(b) == 0 || len(b) == sha256.Size }

func checkSchedule(s *Schedule) error {
	switch {
	case s.Domain == "" || len(s.Domain) > maxLogin || s.Domain != string(foldLogin(s.Domain)):
		return invalid("a schedule of domain %q: expected its name in lower case", s.Domain)
	case s.Every != 0 && s.Every < minEvery:
		return invalid("domain %q: a schedule of every %v: expected at least %v", s.Domain, s.Every, minEvery)
	}
	return nil
}

func checkRun(r *Run) error {
	switch r.Kind {
	case FirstRun, AgainRun, ScheduledRun:
	default:
		return invalid("a run's kind %q is none of %q, %q, %q", r.Kind, FirstRun, AgainRun, ScheduledRun)
	}
	switch r.State {
	case RunOpen, RunStopped, RunDone:
		return nil
	}
	return invalid("a run's state %q is none of %q, %q, %q", r.State, RunOpen, RunStopped, RunDone)
}

func checkRunAccount(a *RunAccount) error {
	switch a.Outcome {
	case OutcomeOpen, OutcomeComplete, OutcomeFailed, OutcomeStopped:
		return checkProblem(a.Problem)
	}
	return invalid("an outcome %q is none of %q, %q, %q, %q", a.Outcome, OutcomeOpen, OutcomeComplete, OutcomeFailed, OutcomeStopped)
}
