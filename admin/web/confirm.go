package web

import (
	"maps"
	"net/url"
	"slices"

	"postferry/admin/selection"
)

// question is what a person is asked before something is done that many would feel.
type question struct {
	Title, Question, Do string
	Danger              bool
	Action, Back        string
	Fields              []formField // of the form that is sent again when they are sure
}

// formField is a hidden field.
type formField struct{ Name, Value string }

// fieldsOf are the fields of a form that was sent.
func fieldsOf(form url.Values) (fields []formField) {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			fields = append(fields, formField{name, value})
		}
	}
	return fields
}

// ask shows a question, which leads back to the form's address with sure set.
func (s *frame) ask(v *visit, q question) error {
	q.Action, q.Fields = v.r.URL.Path, fieldsOf(v.r.PostForm)
	return s.show(v, "confirm", view{Title: q.Title, Narrow: true, Path: q.Back, Crumbs: v.toDomain(v.domain()), D: q})
}

// sure asks before all accounts are stopped, and before any are removed. It reports that it has asked.
func (s *domainPages) sure(v *visit, do string, sel selection.Selection) (asked bool, err error) {
	if v.r.PostForm.Get("sure") != "" || do != "remove" && !(do == "stop" && sel.All) {
		return false, nil
	}
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return true, err
	}
	accounts := len(sel.Accounts)
	switch {
	case sel.All:
		accounts = d.Totals.Accounts
	case sel.Kind != "":
		caused, err := s.matching(v, v.r.PostForm)
		if err != nil {
			return true, err
		}
		accounts = len(caused)
	}
	q := question{Do: v.T("do." + do), Danger: do == "remove", Back: domainPath(v.domain())}
	if do == "stop" {
		q.Do, accounts = v.T("do.stop_all"), d.Totals.Running+d.Totals.Queued+d.Totals.Retrying+d.Totals.Failed+d.Totals.Complete
	}
	q.Title, q.Question = q.Do, v.T("confirm."+do, "Count", accounts)
	return true, s.frame.ask(v, q)
}
