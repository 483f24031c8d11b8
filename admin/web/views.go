package web

import (
	"time"

	"postferry/admin/jobs"
	"postferry/report"
	"postferry/store"
)

// What the templates ask of the views.

// dealt counts messages that are on the new server or refused.
func dealt(v *report.Progress) uint64 { return v.Copied + v.Quarantined }

// All is how many messages of an account are known: those that the old server has, or that were copied from it.
func (x row) All() uint64 { return max(x.A.Messages, dealt(&x.A.Progress)) }

// Value is an account's progress in percent. One that has nothing left is
// through, even if there was nothing.
func (x row) Value() int64 {
	if x.A.State == report.StateComplete || x.A.State == report.StateFinished {
		return 100
	}
	return percent(dealt(&x.A.Progress), x.All())
}

// Span is a time in words.
func (x row) Span(seconds *int64) string {
	return x.W.Span(time.Duration(*seconds) * time.Second)
}

// Copied is how many messages of a domain are dealt with.
func (x whole) Copied() uint64 { return x.D.Totals.Copied + x.D.Totals.Quarantined }

// Value is a domain's progress in percent.
func (x whole) Value() int64 {
	if x.Done() == x.D.Totals.Accounts && x.Done() > 0 {
		return 100
	}
	return percent(x.Copied(), x.D.Totals.Messages)
}

// Every is how often each account is looked at again by itself.
func (x whole) Every() string { return x.W.Span(time.Duration(x.D.Looks.EverySeconds) * time.Second) }

// ShowInboxes reports that inboxes are ahead of the rest: people can work there already.
func (x whole) ShowInboxes() bool { return x.D.Totals.Inboxes > x.Done() }

// MessagesText is the text for how many messages are copied.
func (x whole) MessagesText() string {
	if x.D.Totals.Estimated {
		return "whole.of_about"
	}
	return "whole.of"
}

// RunNumber is the newest run's.
func (x whole) RunNumber() string { return x.W.plain(int(x.Run.ID)) }

// Class is how the state of the whole looks.
func (x whole) Class() string {
	t := x.D.Totals
	switch {
	case t.Running > 0:
		return "running"
	case t.Queued > 0 || t.Waiting > 0 || t.Accounts == 0:
		return "waits"
	case t.Failed > 0:
		return "fix"
	case t.Retrying > 0:
		return "later"
	case t.Stopped > 0:
		return "stopped"
	}
	return "done"
}

// Sentence says how the whole is.
func (x whole) Sentence() string {
	t := x.D.Totals
	switch x.Class() {
	case "running":
		if t.RemainingSeconds != nil {
			return x.W.T("whole.running_left", "Span", x.W.Span(time.Duration(*t.RemainingSeconds)*time.Second))
		}
		return x.W.T("whole.running")
	case "waits":
		if t.Queued > 0 {
			return x.W.T("whole.queued")
		}
		return x.W.T("whole.waiting")
	case "fix":
		return x.W.T("whole.failed")
	case "later":
		return x.W.T("whole.retrying")
	case "stopped":
		return x.W.T("whole.stopped")
	}
	return x.W.T("whole.done")
}

// jobPart is what the template "job" shows.
type jobPart struct {
	W *words
	J jobs.Progress
}

// Error is why it failed; "" if it has not.
func (x jobPart) Error() string {
	if x.J.Why == nil {
		return ""
	}
	return x.W.textOr("refusal."+x.J.Why.Code, x.J.Why.Detail, x.J.Why.Args)
}

// Job is how far a check is.
func (x checkPart) Job() jobPart { return jobPart{x.W, x.C.Progress} }

// Estimate is how long the transfer takes at least.
func (x checkPart) Estimate() string {
	return x.W.Span(time.Duration(x.C.Summary.EstimateSeconds) * time.Second)
}

// Job is how far a verification is.
func (x verifyPart) Job() jobPart { return jobPart{x.W, x.Y.Progress} }

// Span is a time in words; a dash for none.
func (x checkPageView) Span(w *words, seconds int64) string {
	if seconds == 0 {
		return "–"
	}
	return w.Span(time.Duration(seconds) * time.Second)
}

// Missing are the folders that are not at the new server any more.
func (x accountPageView) Missing() (missing []report.FolderStatus) {
	for _, f := range x.Folders {
		if f.State == store.FolderMissing {
			missing = append(missing, f)
		}
	}
	return missing
}

// Listing is the table of an account's folders.
func (x accountPageView) Listing() foldersPart { return foldersPart{x.Row.W, x.Folders} }
