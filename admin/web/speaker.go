package web

import (
	"strings"
	"time"

	"golang.org/x/text/language"

	"postferry/report"
	"postferry/report/reason"
	"postferry/stage"
	"postferry/store"
)

// Speaker says the page's texts outside of pages: as plain text, and with instants in this machine's
// time zone.
type Speaker struct{ texts *texts }

// NewSpeaker reads the texts.
func NewSpeaker() (*Speaker, error) {
	t, err := loadTexts()
	if err != nil {
		return nil, err
	}
	return &Speaker{t}, nil
}

// Languages are those that there are texts in.
func (s *Speaker) Languages() (names []string) {
	for _, tag := range s.texts.languages {
		names = append(names, tag.String())
	}
	return names
}

// Languages are those that people can be told in.
func Languages() ([]string, error) {
	s, err := NewSpeaker()
	if err != nil {
		return nil, err
	}
	return s.Languages(), nil
}

// In speaks a language, English if there are no texts in it.
func (s *Speaker) In(name string) *Voice {
	tag := language.English
	for _, known := range s.texts.languages {
		if known.String() == name {
			tag = known
		}
	}
	return &Voice{s.texts.in(tag)}
}

// Voice says texts in one language.
type Voice struct{ words *words }

// Text is the text of an id, with names and values by turns put in.
func (v *Voice) Text(id string, values ...any) string { return v.words.T(id, values...) }

// Problem says what keeps an account from being copied, and what to do against it.
func (v *Voice) Problem(p *store.Problem) (what, advice string) {
	view := report.ProblemOf(p)
	return v.words.Problem(view), v.words.Advice(view)
}

// Say says a message about the end of a move.
func (v *Voice) Say(m stage.Message) string {
	id := "ending." + m.Code
	if !v.words.Has(id) {
		return m.Text
	}
	values := make([]any, 0, 2*len(m.Args))
	for name, value := range m.Args {
		if part, ok := m.Parts[name]; ok {
			value = strings.TrimSuffix(v.Say(part), ".")
		}
		values = append(values, name, v.argument(value))
	}
	return v.words.T(id, values...)
}

// argument is an argument of a message, as a person reads it.
func (v *Voice) argument(value any) any {
	switch x := value.(type) {
	case stage.Span:
		return v.words.Span(time.Duration(x) * time.Second)
	case stage.Problem, reason.Reason:
		return v.words.because(x)
	case time.Time:
		if x.IsZero() {
			return v.words.T("time.never")
		}
		return x.Local().Format(v.words.T("time.layout") + " MST")
	}
	return value
}

// because is an argument that says why: a problem as a sentence, a reason as it stands within one.
func (w *words) because(value any) string {
	switch x := value.(type) {
	case stage.Problem:
		return w.Problem(&report.Problem{Kind: x.Kind, Server: x.Server, Host: x.Host, Folder: x.Folder, Summary: x.Summary})
	case reason.Reason:
		return strings.TrimSuffix(w.Reason(x), ".")
	}
	return ""
}
