package notify

import (
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"postferry/config"
	"postferry/stage"
	"postferry/store"
)

// posted is what a webhook is sent, in the form that Standard Webhooks want.
type posted struct {
	Type      Event     `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	Domain  string             `json:"domain,omitempty"`
	Subject string             `json:"subject"`
	Text    string             `json:"text"`
	Page    string             `json:"page,omitempty"`
	Cause   *postedCause       `json:"cause,omitempty"`
	Move    *stage.Assessment  `json:"move,omitempty"`
	Moves   []stage.Assessment `json:"moves,omitempty"` // of a digest
}

type postedCause struct {
	Kind     store.ProblemKind `json:"kind"`
	Server   store.Side        `json:"server"`
	Host     string            `json:"host"`
	Accounts int               `json:"accounts"`
	Logins   []string          `json:"logins"` // of some of them
}

// letters are those that tell a recipient of an event of a domain.
func (t *Teller) letters(to *config.Recipient, k key, m *move) []letter {
	w := t.Words(to.Language)
	d := data{Domain: m.Domain, Subject: w.Text("notify.subject_"+string(k.event), "Domain", m.Domain), Page: t.page(m.Domain), Move: &m.Assessment}
	var lines []string
	switch k.event {
	case Trouble:
		for i := range m.causes {
			if c := &m.causes[i]; c.key() == k.cause {
				lines, d.Cause = causeLines(w, c), &postedCause{c.problem.Kind, c.problem.Server, c.problem.Host, c.accounts, c.logins}
			}
		}
	case Copied:
		for i := range m.Conditions {
			if c := &m.Conditions[i]; c.Name == stage.AllCopied {
				lines = []string{w.Say(c.Why)}
			}
		}
	default:
		lines = []string{w.Say(m.Verdict)}
	}
	if k.event != Trouble {
		lines = append(lines, w.Text("notify.next", "Text", w.Say(m.Next)))
	}
	d.Text = t.body(w, lines, d.Page)
	return t.addressed(to, k.event, d)
}

// causeLines say what a person has to mend.
func causeLines(w Words, c *cause) []string {
	what, advice := w.Problem(c.problem)
	names := strings.Join(c.logins, ", ")
	if c.accounts > len(c.logins) {
		names += ", …"
	}
	return []string{what, advice, w.Text("notify.accounts", "Count", c.accounts, "Names", names)}
}

// digestLetters are those that tell a recipient of the moves under way.
func (t *Teller) digestLetters(to *config.Recipient, moves []move) []letter {
	w := t.Words(to.Language)
	d := data{Subject: w.Text("notify.subject_digest"), Page: t.page("")}
	var parts []string
	for i := range moves {
		m := &moves[i]
		if !to.Wants(m.Domain) || m.Figures.Accounts == 0 || m.Stage == stage.Finished {
			continue
		}
		d.Moves = append(d.Moves, m.Assessment)
		parts = append(parts, strings.Join(digestLines(w, m), "\n"))
	}
	if len(parts) == 0 {
		return nil
	}
	d.Text = t.body(w, parts, d.Page)
	return t.addressed(to, Digest, d)
}

// digestLines say how a domain's move goes on.
func digestLines(w Words, m *move) []string {
	lines := []string{m.Domain + ": " + w.Text("stage."+string(m.Stage)), w.Say(m.Verdict), w.Text("notify.next", "Text", w.Say(m.Next))}
	if m.Late != nil {
		lines = append(lines, w.Say(m.Late.Text))
	}
	for i := range m.causes {
		lines = append(lines, "- "+strings.Join(causeLines(w, &m.causes[i]), "\n  "))
	}
	return lines
}

// body is the text of a letter.
func (t *Teller) body(w Words, parts []string, page string) string {
	if page != "" {
		parts = append(parts, w.Text("notify.page", "URL", page))
	}
	return strings.Join(append(parts, "-- \n"+w.Text("notify.footer")), "\n\n") + "\n"
}

// page is the address of a domain's page; "" if nobody can reach it from elsewhere.
func (t *Teller) page(domain string) string {
	base := t.Config.Admin.PublicURL
	if base == "" || domain == "" {
		return base
	}
	return base + "/d/" + url.PathEscape(domain)
}

// addressed are the letters that bring what there is to say to all addresses of a recipient.
func (t *Teller) addressed(to *config.Recipient, event Event, d data) []letter {
	var all []letter
	for _, address := range to.To {
		all = append(all, letter{ID: rand.Text(), To: address, Subject: d.Subject, Text: d.Text, Next: time.Now()})
	}
	if to.Webhook == "" {
		return all
	}
	body, err := json.Marshal(posted{Type: event, Timestamp: time.Now().UTC(), Data: d})
	if err != nil {
		t.Log.Error().Err(err).Str("event", string(event)).Msg("a webhook's message could not be written")
		return all
	}
	return append(all, letter{ID: rand.Text(), To: hookMark(to), Hook: true, Text: string(body), Next: time.Now()})
}

// testLetters are a message that tries whether somebody can be told.
func (t *Teller) testLetters(to *config.Recipient) []letter {
	w := t.Words(to.Language)
	d := data{Subject: w.Text("notify.subject_test"), Page: t.page("")}
	d.Text = t.body(w, []string{w.Text("notify.test")}, d.Page)
	return t.addressed(to, Test, d)
}
