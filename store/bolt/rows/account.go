package rows

import (
	"encoding/binary"

	"postferry/report/reason"
	"postferry/store"
	"postferry/store/seal"
)

// EncodeAccount makes an account's row, with its passwords sealed.
func EncodeAccount(a *store.Account, s *seal.Sealer) []byte {
	e := make(encoder, 0, 256)
	e.text(a.Domain)
	e.text(a.Login)
	e.text(a.Old.Login)
	e.text(s.Seal(a.ID, seal.OldPassword, a.Old.Password))
	e.text(a.New.Login)
	e.text(s.Seal(a.ID, seal.NewPassword, a.New.Password))
	e.text(string(a.Origin))
	e.text(string(a.State))
	e.time(a.Created)
	e.bool(a.Problem != nil)
	if a.Problem != nil {
		encodeProblem(&e, a.Problem)
	}
	encodeAccountMarks(&e, a)
	return e
}

// What stands behind an account's problem. A row of schema 2 ends before it.
const (
	accountOldOpens = 1 << iota
	accountAlias
	accountApart
	accountProbe
	accountProbeSubscribed
	accountAliasProved
)

func encodeAccountMarks(e *encoder, a *store.Account) {
	marks := uint64(0)
	if a.OldOpens {
		marks |= accountOldOpens
	}
	if a.Alias != 0 {
		marks |= accountAlias
	}
	if a.Apart {
		marks |= accountApart
	}
	if a.AliasProved {
		marks |= accountAliasProved
	}
	switch a.Probe {
	case store.ProbeSubscribed:
		marks |= accountProbe | accountProbeSubscribed
	case store.ProbeUnsubscribed:
		marks |= accountProbe
	}
	e.uint(marks)
	if a.Alias != 0 {
		e.uint(uint64(a.Alias))
	}
}

// decodeAccountMarks reads what is behind an account's problem. Until schema 3 the
// old password opened every account.
func decodeAccountMarks(d *decoder, a *store.Account) {
	if a.OldOpens = true; !d.more() {
		return
	}
	marks := d.uint(accountOldOpens | accountAlias | accountApart | accountProbe | accountProbeSubscribed | accountAliasProved)
	a.AliasProved = marks&accountAliasProved != 0
	a.OldOpens, a.Apart = marks&accountOldOpens != 0, marks&accountApart != 0
	switch {
	case marks&accountProbeSubscribed != 0:
		a.Probe = store.ProbeSubscribed
	case marks&accountProbe != 0:
		a.Probe = store.ProbeUnsubscribed
	}
	if marks&accountAlias != 0 {
		a.Alias = store.AccountID(d.uint64())
	}
}

// DecodeAccount reads an account; without a sealer its passwords stay empty.
func DecodeAccount(id store.AccountID, row []byte, s *seal.Sealer) (store.Account, error) {
	return decodeAccountOf(id, row, s, false)
}

// DecodeAccountV1 reads a row of the schema's first version, whose problems have no kind.
func DecodeAccountV1(id store.AccountID, row []byte, s *seal.Sealer) (store.Account, error) {
	return decodeAccountOf(id, row, s, true)
}

// IsOfDomain tells whether a row is of an account of that domain, without reading all of it. What can't be read is
// DecodeAccount's to tell.
func IsOfDomain(row []byte, domain string) bool {
	n, at := binary.Uvarint(row)
	return at <= 0 || n > uint64(len(row)-at) || string(row[at:at+int(n)]) == domain
}

// endOf is a text that is most often the end of another, with which it shares memory then: there may be
// very many accounts in memory.
func endOf(whole string, text []byte) string {
	if at := len(whole) - len(text); at >= 0 && whole[at:] == string(text) {
		return whole[at:]
	}
	return string(text)
}

func decodeAccountOf(id store.AccountID, row []byte, s *seal.Sealer, v1 bool) (store.Account, error) {
	d := decoder{rest: row}
	a := store.Account{ID: id}
	domain := d.octets()
	a.Login = d.text()
	a.Domain = endOf(a.Login, domain)
	a.Old.Login = d.like(a.Login)
	oldPassword := d.sealed(s != nil)
	a.New.Login = d.like(a.Login)
	newPassword := d.sealed(s != nil)
	a.Origin = store.Origin(d.like(string(store.Imported), string(store.Enrolled)))
	a.State = store.State(d.like(string(store.Active), string(store.Waiting), string(store.Stopped), string(store.Finished)))
	a.Created = d.time()
	switch troubled := d.bool(); {
	case troubled && v1:
		a.Problem = decodeProblemV1(&d)
	case troubled:
		a.Problem = decodeProblem(&d)
	}
	decodeAccountMarks(&d, &a)
	if err := d.done(); err != nil {
		return store.Account{}, err
	}
	if s == nil {
		return a, nil
	}
	var err error
	if a.Old.Password, err = s.Open(id, seal.OldPassword, oldPassword); err != nil {
		return store.Account{}, err
	}
	if a.New.Password, err = s.Open(id, seal.NewPassword, newPassword); err != nil {
		return store.Account{}, err
	}
	return a, nil
}

func encodeProblem(e *encoder, p *store.Problem) {
	e.text(string(p.Summary))
	e.text(p.Cause)
	e.text(string(p.Advice))
	e.text(p.Folder)
	e.time(p.Since)
	e.time(p.Retry)
	e.text(string(p.Kind))
	e.text(string(p.Server))
	e.text(p.Host)
}

func decodeProblem(d *decoder) *store.Problem {
	p := decodeProblemV1(d)
	p.Kind = store.ProblemKind(d.text())
	p.Server = store.Side(d.text())
	p.Host = d.text()
	return p
}

// decodeProblemV1 reads what all versions of the schema have.
func decodeProblemV1(d *decoder) *store.Problem {
	return &store.Problem{
		Summary: reason.StoredProblem(d.text()),
		Cause:   d.text(),
		Advice:  store.Advice(d.text()),
		Folder:  d.text(),
		Since:   d.time(),
		Retry:   d.time(),
	}
}
