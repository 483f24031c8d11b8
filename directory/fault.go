package directory

import (
	"cmp"
	"fmt"
	"time"
)

// Reason says what is the matter with a directory, for programs.
type Reason string

// The reasons.
const (
	Unreachable Reason = "directory_unreachable" // the service gives no answer
	Throttled   Reason = "directory_throttled"   // it asks for patience, for longer than we have
	Token       Reason = "directory_token"       // it doesn't take the token
	Permission  Reason = "directory_permission"  // the application may not read the list
	NotAdmin    Reason = "directory_not_admin"   // the person for whom it asks may not (Google)
	APIOff      Reason = "directory_api_off"     // the API isn't switched on (Google)
	Answer      Reason = "directory_answer"      // what it says makes no sense
	TooMany     Reason = "directory_too_many"    // there is more than we take
)

// Error says why there is no list. Its text is for the person who can mend it.
type Error struct {
	Reason Reason
	// Set is the exact value that has to be set; "" if nothing has to.
	Set string
	// Cause is what the service said, or what went wrong, for the log.
	Cause string
	// After is how long it wants to be left alone; 0 if it didn't say.
	After time.Duration
	err   error
}

// Error is a sentence for a person.
func (e *Error) Error() string {
	switch e.Reason {
	case Unreachable:
		return "The directory can't be reached. Try again later."
	case Throttled:
		return fmt.Sprintf("The directory asks for a pause of %s. Try again after that.", cmp.Or(e.After, defaultPause).Round(time.Second))
	case Token:
		return "The directory doesn't accept the token: it is not for " + e.Set + ", or it has ended."
	case Permission:
		return "The application may not list the mailboxes. Give it the permission " + e.Set + "."
	case NotAdmin:
		return "The directory lists mailboxes only for an administrator. Give the address of one as " + e.Set + "."
	case APIOff:
		return "The API for the directory is switched off in the project. Switch on " + e.Set + "."
	case TooMany:
		return fmt.Sprintf("The directory lists more than %d users.", maxMailboxes)
	}
	return "The directory's answer can't be understood."
}

// Unwrap is what went wrong on the way, if that was it.
func (e *Error) Unwrap() error { return e.err }

// Later reports whether the same question may be answered another time.
func (e *Error) Later() bool { return e.Reason == Unreachable || e.Reason == Throttled }
