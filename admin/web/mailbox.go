package web

import (
	"postferry/admin/request"
	"postferry/report"
)

// MailboxAnswers are what a person can say of the account's mailbox; none if there is no question.
func (x accountPageView) MailboxAnswers() []report.MailboxVerdict {
	if x.Problem == nil {
		return nil
	}
	return report.MailboxVerdicts(x.Problem.Kind, x.Problem.Server)
}

// formDecideMailbox takes the answer to the question whether a mailbox that isn't the one it was
// is right.
func (s *accountPages) formDecideMailbox(v *visit) error {
	id, err := request.AccountID(v.r)
	if err != nil {
		return err
	}
	verdict := report.MailboxVerdict(v.r.PostFormValue("verdict"))
	if err := s.accounts.DecideMailbox(v.r.Context(), v.who, v.domain(), id, verdict); err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showAccountPage(v, n)
	}
	return v.seeOther(doneAt(domainPath(v.domain(), "a", v.r.PathValue("account")), "mailbox_decided", 0))
}
