package stage

import (
	"slices"
	"time"

	"postferry/discover"
)

// Stage is how far a domain's move is.
type Stage string

// The stages, in their order.
const (
	Preparing       Stage = "preparing"        // there are no accounts yet, or nothing has shown that they would come over
	Checked         Stage = "checked"          // the accounts can be copied
	Copying         Stage = "copying"          // they are
	Copied          Stage = "copied"           // everything is at the new server, but for what a person has approved
	ClientsSwitched Stage = "clients_switched" // the names of mail clients lead here
	MXSwitched      Stage = "mx_switched"      // the domain's own name servers tell the new MX
	Settling        Stage = "settling"         // everybody who was asked does; late mail is waited for
	Safe            Stage = "safe"             // the old server may be switched off
	Finished        Stage = "finished"         // it is never contacted again
)

// Stages are all there are, in their order.
func Stages() []Stage {
	return []Stage{Preparing, Checked, Copying, Copied, ClientsSwitched, MXSwitched, Settling, Safe, Finished}
}

// State is what is known of a condition.
type State string

// The states of conditions.
const (
	Met     State = "met"     // it is so
	Open    State = "open"    // it is not so yet
	Unknown State = "unknown" // what it rests on is not known
)

// ConditionName names a condition.
type ConditionName string

// The conditions, in the order in which they are usually met.
const (
	CheckPassed    ConditionName = "checked"  // a check or a pass has shown that the accounts can be copied
	AllCopied      ConditionName = "copied"   // everything of every account is at the new server, or a person has approved what isn't
	ClientsLeadNew ConditionName = "clients"  // no name that mail clients go by leads to the old server
	MXLeadsNew     ConditionName = "mx"       // all DNS servers that answer tell the new MX
	NothingArrives ConditionName = "quiet"    // nothing has arrived at the old server for long enough
	LatelyVerified ConditionName = "verified" // both servers were compared lately, without damage
)

// Condition is one thing that has to be so before the old server may be switched off.
type Condition struct {
	Name  ConditionName `json:"name"`
	State State         `json:"state"`
	Why   Message       `json:"why"`
	// Needed tells whether the old server may not be switched off without it. Where clients
	// don't go by names of the domain, nothing can be seen of them in DNS.
	Needed bool `json:"needed"`
}

// blocks tells whether the condition keeps the old server from being switched off.
func (c *Condition) blocks() bool { return c.Needed && c.State != Met }

// Assessment is how far a domain is.
type Assessment struct {
	Domain     string      `json:"domain"`
	At         time.Time   `json:"at"`
	Stage      Stage       `json:"stage"`
	Conditions []Condition `json:"conditions"`
	Next       Message     `json:"next"` // what to do next
	// Safe tells whether the old server may be switched off, Verdict says it in a sentence with
	// what it rests on.
	Safe    bool    `json:"safe"`
	Verdict Message `json:"verdict"`
	Late    *Late   `json:"late,omitempty"` // mail that has come late; nil if none has
	Figures Figures `json:"figures"`
	// WayBack says what has been copied back to the old server; nil where nothing is.
	WayBack *Message `json:"way_back,omitempty"`
	// Names is what DNS servers have told; nil if none was asked lately.
	Names *discover.Names `json:"names,omitempty"`
}

// Late is mail that has reached the old server since the MX moved.
type Late struct {
	Messages uint64    `json:"messages"`
	Last     time.Time `json:"last"`
	From     []string  `json:"from"` // the servers that brought it
	Text     Message   `json:"text"`
}

// Assess says how far a domain is.
func Assess(f *Facts) Assessment {
	a := Assessment{Domain: f.Domain, At: f.Now.UTC(), Figures: f.Figures, Late: f.late(), WayBack: f.wayBack(), Names: f.Names,
		Conditions: []Condition{f.checked(), f.copied(), f.clients(), f.mx(), f.quiet(), f.verified()}}
	first := slices.IndexFunc(a.Conditions, func(c Condition) bool { return c.blocks() })
	switch {
	case f.Accounts > 0 && f.Done == f.Accounts:
		a.Stage, a.Safe = Finished, true
		a.Verdict = say(codeFinished, "accounts", f.Accounts)
	case first < 0:
		a.Stage, a.Safe = Safe, true
		a.Verdict = say(codeSafe, "accounts", f.Accounts, "copied", f.Copied, "told", f.told(), "asked", f.asked(), "since", f.quietSince(), "verified", f.VerifiedSince)
	default:
		a.Stage = f.stage(a.Conditions)
		a.Verdict = with(codeNotYet, "because", a.Conditions[first].Why)
	}
	a.Next = f.next(&a)
	return a
}

// stage is the last one before which all conditions are met.
func (f *Facts) stage(c []Condition) Stage {
	met := func(n int) bool {
		return !slices.ContainsFunc(c[:n], func(c Condition) bool { return c.blocks() })
	}
	switch {
	case met(4):
		return Settling
	case met(3) && f.mxUnderWay():
		return MXSwitched
	case met(3) && c[2].State == Met:
		return ClientsSwitched
	case met(2):
		return Copied
	case f.Begun > 0:
		return Copying
	case met(1):
		return Checked
	}
	return Preparing
}
