package rows

import (
	"postferry/store"
	"postferry/store/seal"
)

// EncodeDomain makes a domain's row, with its webhooks sealed.
func EncodeDomain(dm *store.Domain, sealer *seal.Sealer) []byte {
	var e encoder
	e.text(dm.Old)
	e.text(dm.New)
	e.text(string(dm.OldFingerprint))
	e.text(string(dm.NewFingerprint))
	e.bool(dm.Enrol)
	e.time(dm.Created)
	e.text(string(dm.OldSetBy))
	e.bool(dm.OldTLS10)
	hooks := len(dm.Webhooks) > 0
	told := len(dm.Recipients) > 0 || hooks
	authorities := dm.OldCA != "" || dm.NewCA != "" || told
	encodeRules(&e, &dm.Rules, authorities)
	if authorities {
		e.text(dm.OldCA)
		e.text(dm.NewCA)
	}
	if told {
		e.uint(uint64(len(dm.Recipients)))
		for _, r := range dm.Recipients {
			e.text(r.To)
			e.text(r.Language)
		}
	}
	if hooks {
		e.text(sealer.SealAt(webhooksPlace(dm.Name), store.Secret(encodeWebhooks(dm.Webhooks))))
	}
	return e
}

// webhooksPlace is where a domain's webhooks are sealed for.
func webhooksPlace(domain string) seal.Place { return seal.PlaceOf("webhooks", []byte(domain)) }

func encodeWebhooks(all []store.Webhook) []byte {
	var e encoder
	e.uint(uint64(len(all)))
	for i := range all {
		w := &all[i]
		for _, text := range []string{w.ID, w.URL.Reveal(), w.Key.Reveal(), w.Language} {
			e.text(text)
		}
	}
	return e
}

// decodeWebhooks opens a domain's webhooks.
func decodeWebhooks(domain, box string, sealer *seal.Sealer) (all []store.Webhook, err error) {
	row, err := sealer.OpenAt(webhooksPlace(domain), box)
	if err != nil {
		return nil, err
	}
	d := decoder{rest: []byte(row.Reveal())}
	for n := d.uint(maxRecipients); n > 0 && d.err == nil; n-- {
		all = append(all, store.Webhook{ID: d.text(), URL: store.Secret(d.text()), Key: store.Secret(d.text()), Language: d.text()})
	}
	return all, d.done()
}

// maxRecipients bounds what a damaged row may make us read.
const maxRecipients = 10_000

// DecodeDomain reads a domain's row; without a sealer it has no webhooks.
func DecodeDomain(name string, row []byte, sealer *seal.Sealer) (store.Domain, error) {
	d := decoder{rest: row}
	dm := store.Domain{
		Name:           name,
		Old:            d.text(),
		New:            d.text(),
		OldFingerprint: d.bytes(),
		NewFingerprint: d.bytes(),
		Enrol:          d.bool(),
		Created:        d.time(),
	}
	if d.more() { // of later versions
		dm.OldSetBy = store.Setter(d.text())
	}
	if d.more() {
		dm.OldTLS10 = d.bool()
	}
	if d.more() {
		dm.Rules = decodeRules(&d)
	}
	if d.more() {
		dm.OldCA, dm.NewCA = d.text(), d.text()
	}
	if d.more() {
		n := d.uint(maxRecipients)
		if n == 0 && !d.more() {
			d.fail(errLong) // none are left out, unless webhooks follow
		}
		for ; n > 0 && d.err == nil; n-- {
			dm.Recipients = append(dm.Recipients, store.Recipient{To: d.text(), Language: d.text()})
		}
	}
	var box string
	if d.more() {
		if box = d.text(); box == "" {
			d.fail(errLong)
		}
	}
	if err := d.done(); err != nil || box == "" || sealer == nil {
		return dm, err
	}
	var err error
	dm.Webhooks, err = decodeWebhooks(name, box, sealer)
	return dm, err
}

// EncodeSchedule makes the row of a domain's schedule.
func EncodeSchedule(s *store.Schedule) []byte {
	var e encoder
	e.duration(s.Every)
	e.time(s.From)
	e.time(s.Until)
	return e
}

// DecodeSchedule reads the row of a domain's schedule.
func DecodeSchedule(domain string, row []byte) (store.Schedule, error) {
	d := decoder{rest: row}
	s := store.Schedule{Domain: domain, Every: d.duration(), From: d.time(), Until: d.time()}
	return s, d.done()
}

func encodeFigures(e *encoder, f *store.Figures) {
	e.uint(f.Copied)
	e.uint(f.Adopted)
	e.uint(f.FlagChanges)
	e.uint(f.Bytes)
	e.uint(f.Quarantined)
}

func decodeFigures(d *decoder) store.Figures {
	return store.Figures{
		Copied:      d.uint64(),
		Adopted:     d.uint64(),
		FlagChanges: d.uint64(),
		Bytes:       d.uint64(),
		Quarantined: d.uint64(),
	}
}

// EncodeRun makes a run's row.
func EncodeRun(r *store.Run) []byte {
	var e encoder
	e.text(r.Domain)
	e.text(string(r.Kind))
	e.text(r.By)
	e.time(r.Started)
	e.time(r.Ended)
	e.text(string(r.State))
	e.uint(r.Accounts)
	e.uint(r.Complete)
	e.uint(r.Failed)
	e.uint(r.Stopped)
	encodeFigures(&e, &r.Figures)
	return e
}

// DecodeRun reads a run's row.
func DecodeRun(id store.RunID, row []byte) (store.Run, error) {
	d := decoder{rest: row}
	r := store.Run{
		ID:       id,
		Domain:   d.text(),
		Kind:     store.RunKind(d.text()),
		By:       d.text(),
		Started:  d.time(),
		Ended:    d.time(),
		State:    store.RunState(d.text()),
		Accounts: d.uint64(),
		Complete: d.uint64(),
		Failed:   d.uint64(),
		Stopped:  d.uint64(),
		Figures:  decodeFigures(&d),
	}
	return r, d.done()
}

// EncodeRunAccount makes the row of an account's part in a run.
func EncodeRunAccount(a *store.RunAccount) []byte {
	var e encoder
	e.text(string(a.Outcome))
	e.time(a.Ended)
	e.uint(a.Passes)
	encodeFigures(&e, &a.Figures)
	e.bool(a.Problem != nil)
	if a.Problem != nil {
		encodeProblem(&e, a.Problem)
	}
	return e
}

// DecodeRunAccount reads the row of an account's part in a run.
func DecodeRunAccount(id store.AccountID, row []byte) (store.RunAccount, error) {
	d := decoder{rest: row}
	a := store.RunAccount{
		Account: id,
		Outcome: store.Outcome(d.text()),
		Ended:   d.time(),
		Passes:  d.uint64(),
		Figures: decodeFigures(&d),
	}
	if d.bool() {
		a.Problem = decodeProblem(&d)
	}
	return a, d.done()
}

// EncodeSummary makes the row of an account's sums.
func EncodeSummary(s *store.Summary) []byte {
	e := make(encoder, 0, 48)
	e.uint(s.Messages)
	e.uint(s.Folders)
	e.uint(s.Copied)
	e.uint(s.Quarantined)
	e.uint(s.Bytes)
	e.uint(s.Passes)
	e.time(s.LastPass)
	e.bool(s.Complete)
	e.time(s.Completed)
	e.uint(s.LeftOut)
	encodeEnding(&e, s)
	return e
}

// DecodeSummary reads the row of an account's sums.
func DecodeSummary(row []byte) (store.Summary, error) {
	d := decoder{rest: row}
	s := store.Summary{
		Messages:    d.uint64(),
		Folders:     d.uint64(),
		Copied:      d.uint64(),
		Quarantined: d.uint64(),
		Bytes:       d.uint64(),
		Passes:      d.uint64(),
		LastPass:    d.time(),
		Complete:    d.bool(),
		Completed:   d.time(),
	}
	if d.more() {
		s.LeftOut = d.uint64()
	}
	if d.more() {
		decodeEnding(&d, &s)
	}
	return s, d.done()
}
