package notify

import (
	"context"
	"errors"
	"slices"
	"time"

	"postferry/config"
)

const (
	// attemptBound bounds one attempt to deliver a letter.
	attemptBound = 30 * time.Second
	// firstPause is after the first attempt that failed; each is twice as long, up to longestPause.
	firstPause   = time.Minute
	longestPause = 2 * time.Hour
	// giveUp is how old a letter is that is tried no more.
	giveUp = 48 * time.Hour
)

// failure is why a letter was not delivered.
type failure struct {
	error        // without secrets
	final   bool // trying again is of no use
	serving bool // what took letters has refused this one; others may get through
	status  int  // that a webhook answers; 0 for none
}

func (f *failure) Unwrap() error { return f.error }

// Deliver tries to deliver the letters that are due, and notes what became of them.
func (t *Teller) Deliver(ctx context.Context) {
	told, err := t.records(ctx)
	if err != nil {
		if ctx.Err() == nil {
			t.Log.Error().Err(err).Msg("messages that people are to be told could not be read")
		}
		return
	}
	mailDown := false // the server for e-mail does not answer
	for k, r := range told {
		for _, id := range idsOf(r.Letters) {
			at := slices.IndexFunc(r.Letters, func(l letter) bool { return l.ID == id })
			l := r.Letters[at]
			if l.Next.After(time.Now()) || mailDown && !l.Hook {
				continue
			}
			f := t.deliver(ctx, &l)
			if ctx.Err() != nil {
				return
			}
			mailDown = mailDown || f != nil && !l.Hook && !f.serving
			if t.settle(&l, r.When, k, f) {
				r.Letters = slices.Delete(r.Letters, at, at+1)
			} else {
				r.Letters[at] = l
			}
			if err := t.keep(ctx, k, r); err != nil {
				t.Log.Error().Err(err).Msg("what became of a message could not be noted")
				return
			}
		}
	}
}

func idsOf(letters []letter) (ids []string) {
	for i := range letters {
		ids = append(ids, letters[i].ID)
	}
	return ids
}

// deliver tries to deliver a letter.
func (t *Teller) deliver(ctx context.Context, l *letter) *failure {
	ctx, cancel := context.WithTimeout(ctx, attemptBound)
	defer cancel()
	if !l.Hook {
		return t.mail(ctx, l)
	}
	for _, r := range t.Config.Recipients() {
		if r.Webhook != "" && hookMark(r) == l.To {
			return t.post(ctx, r, l)
		}
	}
	return &failure{error: errors.New("the webhook is not there any more"), final: true}
}

// settle notes how an attempt went, and tells whether the letter is done with.
func (t *Teller) settle(l *letter, when time.Time, k key, f *failure) bool {
	line := t.Log.Info()
	if f != nil {
		line = t.Log.Warn().Err(f.error)
	}
	to := l.To
	if l.Hook {
		to = "webhook"
	}
	line = line.Str("to", to).Str("event", string(k.event)).Str("domain", k.domain).Str("id", l.ID)
	if f == nil {
		line.Msg("told")
		return true
	}
	l.Attempts++
	if f.final || time.Since(when) > giveUp {
		line.Msg("somebody could not be told, and it is not tried again")
		return true
	}
	l.Next = time.Now().Add(min(firstPause<<min(l.Attempts-1, 10), longestPause))
	line.Time("retry", l.Next).Msg("somebody could not be told; it is tried again")
	return false
}

// Tried is what became of a test.
type Tried struct {
	To  string // a mail address, or the host of a webhook
	Err error  // nil if it was delivered
}

// ErrNobody means that nobody is to be told anything.
var ErrNobody = errors.New("nobody is to be told: the configuration has no [[recipient]] with to or webhook")

// Try sends a test to all recipients, or those who are told about a domain.
func (t *Teller) Try(ctx context.Context, domain string) ([]Tried, error) {
	var tried []Tried
	for i := range t.Config.Notify.Recipients {
		r := &t.Config.Notify.Recipients[i]
		if domain != "" && !r.Wants(domain) {
			continue
		}
		for _, l := range t.testLetters(r) {
			one := Tried{To: shownTo(r, &l)}
			if f := t.deliver(ctx, &l); f != nil {
				one.Err = f.error
			}
			tried = append(tried, one)
			if ctx.Err() != nil {
				return tried, ctx.Err()
			}
		}
	}
	if len(tried) == 0 {
		return nil, ErrNobody
	}
	return tried, nil
}

// shownTo is where a letter goes, for people.
func shownTo(r *config.Recipient, l *letter) string {
	if l.Hook {
		return config.WebhookHost(r.Webhook)
	}
	return l.To
}
