package rows

import "postferry/store"

// MaxFrom is how many networks of one administrator are kept.
const MaxFrom = 10

// EncodeAdmin makes an administrator's row.
func EncodeAdmin(a *store.Admin) []byte {
	var e encoder
	e.text(a.Name)
	e.text(a.Scope)
	e.text(a.Hash.Reveal())
	e.time(a.Created)
	e.time(a.Changed)
	e.uint(uint64(len(a.From)))
	for _, network := range a.From {
		e.text(network)
	}
	return e
}

// DecodeAdmin reads an administrator's row.
func DecodeAdmin(row []byte) (store.Admin, error) {
	d := decoder{rest: row}
	a := store.Admin{
		Name:    d.text(),
		Scope:   d.text(),
		Hash:    store.Secret(d.text()),
		Created: d.time(),
		Changed: d.time(),
	}
	if d.more() {
		for range d.uint(MaxFrom) {
			a.From = append(a.From, d.text())
		}
	}
	return a, d.done()
}

// EncodeSession makes the row of a session of the import page.
func EncodeSession(s *store.Session) []byte {
	var e encoder
	e.text(s.Admin)
	e.time(s.Created)
	e.time(s.Used)
	return e
}

// DecodeSession reads the row of a session of the import page.
func DecodeSession(id store.Digest, row []byte) (store.Session, error) {
	d := decoder{rest: row}
	s := store.Session{ID: id, Admin: d.text(), Created: d.time(), Used: d.time()}
	return s, d.done()
}

// EncodeToken makes the row of an API token.
func EncodeToken(t *store.Token) []byte {
	var e encoder
	e.uint(t.ID)
	e.text(t.Name)
	e.text(t.Scope)
	e.text(t.By)
	e.time(t.Created)
	e.time(t.Used)
	e.uint(t.Parent)
	return e
}

// DecodeToken reads the row of an API token.
func DecodeToken(digest store.Digest, row []byte) (store.Token, error) {
	d := decoder{rest: row}
	t := store.Token{
		Digest:  digest,
		ID:      d.uint64(),
		Name:    d.text(),
		Scope:   d.text(),
		By:      d.text(),
		Created: d.time(),
		Used:    d.time(),
	}
	if d.more() {
		t.Parent = d.uint64()
	}
	return t, d.done()
}

// EncodeAudit makes the row of an entry of the audit log.
func EncodeAudit(a *store.AuditEntry) []byte {
	var e encoder
	e.time(a.When)
	e.text(a.Who)
	e.text(a.From)
	e.text(a.Action)
	e.text(a.Domain)
	e.text(a.Account)
	e.text(a.Detail)
	return e
}

// DecodeAudit reads the row of an entry of the audit log.
func DecodeAudit(key, row []byte) (store.AuditEntry, error) {
	id, err := DecodeNumber(key)
	if err != nil {
		return store.AuditEntry{}, err
	}
	d := decoder{rest: row}
	a := store.AuditEntry{
		ID:      id,
		When:    d.time(),
		Who:     d.text(),
		From:    d.text(),
		Action:  d.text(),
		Domain:  d.text(),
		Account: d.text(),
		Detail:  d.text(),
	}
	return a, d.done()
}
