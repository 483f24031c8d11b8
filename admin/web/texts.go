package web

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed texts/*.toml
var textFiles embed.FS

// languageCookie holds the language a person chose in the footer.
const languageCookie = "language"

// texts are all words of the page, in every language there is a file for. A
// translation is one file, texts/LANGUAGE.toml; what it lacks is English.
type texts struct {
	bundle    *i18n.Bundle
	languages []language.Tag // English first
	matcher   language.Matcher
}

func loadTexts() (*texts, error) {
	t := &texts{bundle: i18n.NewBundle(language.English), languages: []language.Tag{language.English}}
	t.bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	files, err := fs.Glob(textFiles, "texts/*.toml")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		file, err := t.bundle.LoadMessageFileFS(textFiles, name)
		if err != nil {
			return nil, fmt.Errorf("texts of the page: %w", err)
		}
		if file.Tag != language.English {
			t.languages = append(t.languages, file.Tag)
		}
	}
	t.matcher = language.NewMatcher(t.languages)
	return t, nil
}

// words returns the texts in the language a request asks for: the one chosen in
// the page, else the one the browser prefers (RFC 9110 section 12.5.4).
func (t *texts) words(r *http.Request) *words {
	var chosen string
	if c, err := r.Cookie(languageCookie); err == nil {
		chosen = c.Value
	}
	_, index := language.MatchStrings(t.matcher, chosen, r.Header.Get("Accept-Language"))
	return t.in(t.languages[index])
}

// in returns the texts in one of the languages there are.
func (t *texts) in(tag language.Tag) *words {
	return &words{
		Language: tag, all: t,
		localizer: i18n.NewLocalizer(t.bundle, tag.String()), printer: message.NewPrinter(tag),
	}
}

// has tells whether there is a file for a language.
func (t *texts) has(name string) bool {
	for _, tag := range t.languages {
		if tag.String() == name {
			return true
		}
	}
	return false
}

// words are the page's texts in one language.
type words struct {
	Language  language.Tag
	all       *texts
	localizer *i18n.Localizer
	printer   *message.Printer
}

// T is the text of an id. values are names and values by turns, for the
// {{.Name}} in the text; a whole number named Count chooses the plural form
// and appears grouped. An id that is unknown in every language is shown as
// it is: a page with an odd word is better than none.
func (w *words) T(id string, values ...any) string {
	data := make(map[string]any, len(values)/2)
	config := &i18n.LocalizeConfig{MessageID: id, TemplateData: data}
	for i := 0; i+1 < len(values); i += 2 {
		name := fmt.Sprint(values[i])
		data[name] = values[i+1]
		if n, whole := wholeNumber(values[i+1]); whole {
			data[name] = w.Number(n)
			if name == "Count" {
				config.PluralCount = n
			}
		}
	}
	text, err := w.localizer.Localize(config)
	if text == "" && err != nil {
		return id
	}
	return text
}

// Has tells whether there is a text for an id, at least in English.
func (w *words) Has(id string) bool {
	text, _ := w.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: map[string]any{}})
	return text != ""
}

// languageChoice is a language in the footer's list, by its own name.
type languageChoice struct {
	Tag, Name string
	Current   bool
}

// Choices are the languages there are.
func (w *words) Choices() []languageChoice {
	var all []languageChoice
	for _, tag := range w.all.languages {
		name := w.all.in(tag).T("language.name")
		all = append(all, languageChoice{Tag: tag.String(), Name: name, Current: tag == w.Language})
	}
	return all
}

// wholeNumber is any integer as an int64. Counts beyond that don't occur.
func wholeNumber(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case uint64:
		return int64(n), true
	case uint32:
		return int64(n), true
	}
	return 0, false
}

// upperFirst begins a sentence.
func upperFirst(s string) string {
	for i, r := range s {
		return strings.ToUpper(string(r)) + s[i+len(string(r)):]
	}
	return s
}
