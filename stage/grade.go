package stage

import (
	"time"

	"postferry/store"
)

// Grade says how an account has come over.
type Grade string

// The grades.
const (
	Perfect   Grade = "perfect"    // everything is at the new server as it was
	Good      Grade = "good"       // everything is; people may have changed some of it there, or wanted some left out
	NeedsLook Grade = "needs_look" // something is missing, altered or not known
)

// GradeOf grades an account at a time, and says what lowers it.
func GradeOf(o *store.Overview, now time.Time) (Grade, []Message) {
	s := &o.Summary
	bad, fair := []Message{}, []Message{}
	add := func(list *[]Message, is bool, code Code, args ...any) {
		if is {
			*list = append(*list, say(code, args...))
		}
	}
	v := &s.Verified
	add(&bad, o.Problem != nil, codeGradeProblem, "problem", problemOf(o.Problem))
	add(&bad, o.Problem == nil && !s.Complete, codeGradeIncomplete, "copied", s.Copied, "messages", s.Messages)
	add(&bad, s.Quarantined > 0, codeGradeQuarantined, "messages", s.Quarantined)
	add(&bad, v.Damage > 0, codeGradeDamage, "findings", v.Damage)
	add(&bad, v.When.IsZero() || v.Unread || now.Sub(v.When) > VerifyAge || v.When.Before(s.Late.Last), codeGradeUnverified)
	add(&fair, v.Doubtful > 0, codeGradeDoubtful, "findings", v.Doubtful)
	add(&fair, s.LeftOut > 0, codeGradeLeftOut, "messages", s.LeftOut)
	switch {
	case len(bad) > 0:
		return NeedsLook, append(bad, fair...)
	case len(fair) > 0:
		return Good, fair
	}
	return Perfect, fair
}

// NotLooked says that an account's last pass is too long ago for it to be finished.
func NotLooked(last time.Time) Message {
	if last.IsZero() {
		return say(codeGradeNever)
	}
	return say(codeGradeStale, "last", last)
}
