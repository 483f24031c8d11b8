package stage

import (
	"strings"

	"postferry/discover"
)

// next is what to do next: one thing.
func (f *Facts) next(a *Assessment) Message {
	switch a.Stage {
	case Finished:
		return say(codeNextForget, "domain", f.Domain)
	case Safe:
		return say(codeNextFinish, "domain", f.Domain)
	}
	switch {
	case f.Accounts == 0:
		return say(codeNextAdd)
	case f.Troubled > 0:
		return say(codeNextMend, "accounts", f.Troubled)
	case f.Begun == 0 && a.Conditions[0].State == Met:
		return say(codeNextBegin, "accounts", f.Accounts)
	case f.Begun == 0:
		return say(codeNextCheck, "accounts", f.Accounts)
	case f.Stopped > 0:
		return say(codeNextResume, "accounts", f.Stopped)
	case f.Begun < f.Accounts:
		return say(codeNextBegin, "accounts", f.Accounts-f.Begun)
	case a.Conditions[1].State != Met:
		return f.nextCopying()
	}
	return f.nextSwitch(a)
}

// nextCopying: what keeps accounts from being complete.
func (f *Facts) nextCopying() Message {
	if f.Quarantined > 0 && f.Complete+f.Approved+f.Retrying < f.Accounts && f.Copied+f.Quarantined >= f.Messages {
		return say(codeNextQuarantine, "messages", f.Quarantined)
	}
	return say(codeNextWaitCopy, "left", f.Accounts-f.Complete-f.Approved)
}

// nextSwitch: everything is copied.
func (f *Facts) nextSwitch(a *Assessment) Message {
	names, _, _ := f.oldNames()
	switch {
	case f.Names == nil:
		return say(codeNextNames)
	case len(names) > 0:
		return say(codeNextClients, "names", strings.Join(names, ", "))
	}
	switch m := f.Names.MX; {
	case len(m.Left) > 0 && m.Spread == discover.SpreadPartly:
		return say(codeNextBackup, "left", strings.Join(m.Left, ", "))
	case m.Spread == discover.SpreadPartly:
		return say(codeNextAgree, "hosts", strings.Join(m.Hosts, ", "))
	case m.Spread == discover.SpreadNone:
		return f.nextMX(strings.Join(m.Hosts, ", "))
	case m.Spread == discover.SpreadUnder:
		return say(codeNextWaitDNS, "until", m.Until)
	case m.Spread == discover.SpreadUnknown:
		return say(codeNextNames)
	}
	switch {
	case a.Conditions[4].Why.Code == codeNotLooked:
		return say(codeNextLook)
	case a.Conditions[4].State != Met:
		return say(codeNextWaitQuiet, "until", f.quietSince().Add(f.Quiet))
	case f.Damaged > 0:
		return say(codeNextDamage, "accounts", f.Damaged)
	}
	return say(codeNextVerify, "accounts", f.Unverified)
}
