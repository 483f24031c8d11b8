package bolt

import (
	"encoding/binary"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/store/seal"
)

// This file says what the rows look like. The keys are in keys.go.

func encodeAccount(a *store.Account, s *seal.Sealer) []byte {
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

// decodeAccount reads an account; without a sealer its passwords stay empty.
func decodeAccount(id store.AccountID, row []byte, s *seal.Sealer) (store.Account, error) {
	return decodeAccountWith(id, row, s, decodeProblem)
}

func decodeAccountWith(id store.AccountID, row []byte, s *seal.Sealer, problem func(*decoder) *store.Problem) (store.Account, error) {
	d := decoder{rest: row}
	a := store.Account{ID: id}
	a.Domain = d.text()
	a.Login = d.text()
	a.Old.Login = d.text()
	oldPassword := d.text()
	a.New.Login = d.text()
	newPassword := d.text()
	a.Origin = store.Origin(d.text())
	a.State = store.State(d.text())
	a.Created = d.time()
	if d.bool() {
		a.Problem = problem(&d)
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
	e.text(p.Summary)
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
		Summary: d.text(),
		Cause:   d.text(),
		Advice:  store.Advice(d.text()),
		Folder:  d.text(),
		Since:   d.time(),
		Retry:   d.time(),
	}
}

// What is behind a folder's state. A row without folderNoted is as it was
// before there were notes.
const (
	folderSubscribed = 1 << iota
	folderNoted
	folderRenaming
	folderValidity
	folderMissing
	folderLeftOut
	folderAllMail
	folderPutBack
)

// encodeFolder leaves out what encodeProgress keeps.
func encodeFolder(f *store.Folder) []byte {
	var e encoder
	e.text(f.Old)
	e.text(f.New)
	e.text(f.Title)
	e.text(string(f.State))
	marks := uint64(0)
	if f.Subscribed {
		marks |= folderSubscribed
	}
	if f.Note != "" {
		marks |= folderNoted
	}
	if f.Renaming != "" {
		marks |= folderRenaming
	}
	if f.NewUIDValidity != 0 {
		marks |= folderValidity
	}
	if f.Missing != (store.Missing{}) {
		marks |= folderMissing
	}
	if f.LeftOut != 0 {
		marks |= folderLeftOut
	}
	if f.AllMail {
		marks |= folderAllMail
	}
	if f.Missing.PutBack {
		marks |= folderPutBack
	}
	e.uint(marks)
	encodeFolderMarked(&e, f, marks)
	return e
}

// encodeFolderMarked writes what the marks announce.
func encodeFolderMarked(e *encoder, f *store.Folder, marks uint64) {
	if marks&folderNoted != 0 {
		e.text(f.Note)
	}
	if marks&folderRenaming != 0 {
		e.text(f.Renaming)
	}
	if marks&folderValidity != 0 {
		e.fixed32(f.NewUIDValidity)
	}
	if marks&folderMissing != 0 {
		e.time(f.Missing.Since)
		e.uint(uint64(f.Missing.Looks))
		e.time(f.Missing.Last)
	}
	if marks&folderLeftOut != 0 {
		e.uint(f.LeftOut)
	}
}

func decodeFolder(id store.FolderID, row []byte) (store.Folder, error) {
	d := decoder{rest: row}
	f := store.Folder{
		ID:    id,
		Old:   d.text(),
		New:   d.text(),
		Title: d.text(),
		State: store.FolderState(d.text()),
	}
	marks := d.uint(2*folderPutBack - 1)
	f.Subscribed, f.AllMail = marks&folderSubscribed != 0, marks&folderAllMail != 0
	if marks&folderNoted != 0 {
		f.Note = d.text()
	}
	if marks&folderRenaming != 0 {
		f.Renaming = d.text()
	}
	if marks&folderValidity != 0 {
		f.NewUIDValidity = d.fixed32()
	}
	if marks&folderMissing != 0 {
		f.Missing = store.Missing{Since: d.time(), Looks: d.uint32(), Last: d.time()}
	}
	f.Missing.PutBack = marks&folderPutBack != 0
	if marks&folderLeftOut != 0 {
		f.LeftOut = d.uint64()
	}
	return f, d.done()
}

// progress is the part of a folder that batches change.
type progress struct {
	validity    uint32 // what the entries' UIDValidity is counted from; never changes while there is an entry
	checkpoint  store.Checkpoint
	order       store.Order
	copied      uint64
	quarantined uint64
}

func encodeProgress(p *progress) []byte {
	e := make(encoder, 0, 64)
	e.fixed32(p.validity)
	e.fixed32(p.checkpoint.UIDValidity)
	e.uint(uint64(p.checkpoint.UIDNext))
	e.uint(p.checkpoint.HighestModSeq)
	e.uint(uint64(p.checkpoint.Messages))
	e.time(p.checkpoint.Checked)
	e.uint(p.copied)
	e.uint(p.quarantined)
	encodeNewSide(&e, &p.checkpoint)
	encodeOrder(&e, &p.order)
	return e
}

// encodeNewSide writes what schema 3 has added to a checkpoint.
func encodeNewSide(e *encoder, c *store.Checkpoint) {
	e.fixed32(c.NewUIDValidity)
	e.uint(uint64(c.NewUIDNext))
	e.uint(c.NewHighestModSeq)
}

func decodeProgress(row []byte) (progress, error) {
	d := decoder{rest: row}
	p := progress{
		validity: d.fixed32(),
		checkpoint: store.Checkpoint{
			UIDValidity:   d.fixed32(),
			UIDNext:       imap.UID(d.uint32()),
			HighestModSeq: d.uint64(),
			Messages:      d.uint32(),
			Checked:       d.time(),
		},
		copied:      d.uint64(),
		quarantined: d.uint64(),
	}
	if d.more() { // a row of schema 2 ends here
		p.checkpoint.NewUIDValidity = d.fixed32()
		p.checkpoint.NewUIDNext = imap.UID(d.uint32())
		p.checkpoint.NewHighestModSeq = d.uint64()
	}
	p.order = decodeOrder(&d)
	return p, d.done()
}

// encodeOrder writes a folder's order, if there is anything to say about it.
func encodeOrder(e *encoder, o *store.Order) {
	if *o == (store.Order{}) {
		return
	}
	e.text(string(o.State))
	e.text(o.Moving)
	if o.Moving != "" {
		e.fixed32(o.UIDValidity)
		e.uint(uint64(o.UIDNext))
		e.time(o.Written)
	}
}

func decodeOrder(d *decoder) (o store.Order) {
	if !d.more() {
		return o
	}
	o.State, o.Moving = store.OrderState(d.text()), d.text()
	if o.Moving != "" {
		o.UIDValidity, o.UIDNext, o.Written = d.fixed32(), imap.UID(d.uint32()), d.time()
	}
	return o
}

// encodeEntry writes a ledger row, usually of 17 octets: it is the one kind
// of row that exists once for every message. validity is the folder's.
func encodeEntry(en *store.Entry, validity, flags uint32) []byte {
	e := make(encoder, 0, 24)
	e.fixed32(uint32(en.UID))
	e.raw(en.Fingerprint[:])
	e.uint(uint64(en.UIDValidity - validity)) // modulo 2^32; nearly always 0
	e.uint(uint64(flags))
	e.uint(uint64(en.Size))
	return e
}

// decodeEntry returns the entry without key and flags, and the number of its flag set.
func decodeEntry(row []byte, validity uint32) (en store.Entry, flags uint32, err error) {
	d := decoder{rest: row}
	en = store.Entry{
		UID:         imap.UID(d.fixed32()),
		Fingerprint: store.Fingerprint(d.raw(8)),
		UIDValidity: validity + d.uint32(),
	}
	flags = d.uint32()
	en.Size = d.uint32()
	return en, flags, d.done()
}

// intentTaken stands beside the size for Taken, so that rows of earlier versions,
// which have none, read as before.
const intentTaken = 1 << 32

// encodeIntent spells the flags out: an intent lives for moments only, and
// its flags need no place in the account's table.
func encodeIntent(in *store.Intent) []byte {
	e := make(encoder, 0, 64)
	e.fixed32(in.UIDValidity)
	e.fixed32(uint32(in.UIDNext))
	e.raw(in.Fingerprint[:])
	size := uint64(in.Size)
	if in.Taken {
		size |= intentTaken
	}
	e.uint(size)
	e.time(in.Written)
	e.raw(encodeFlags(in.Flags))
	encodePlace(&e, in)
	return e
}

// encodePlace writes where a message stood in its batch, which schema 2 did not keep.
func encodePlace(e *encoder, in *store.Intent) {
	if in.Batch == 0 {
		return
	}
	e.uint(in.Batch)
	e.uint(uint64(in.Place))
	e.bool(in.Together)
}

func decodeIntent(key store.Key, row []byte) (store.Intent, error) {
	d := decoder{rest: row}
	in := store.Intent{
		Key:         key,
		UIDValidity: d.fixed32(),
		UIDNext:     imap.UID(d.fixed32()),
		Fingerprint: store.Fingerprint(d.raw(8)),
	}
	size := d.uint(2*intentTaken - 1)
	in.Size, in.Taken = uint32(size), size&intentTaken != 0
	in.Written = d.time()
	in.Flags = decodeFlags(&d)
	if d.more() {
		in.Batch, in.Place, in.Together = d.uint64(), d.uint32(), d.bool()
	}
	return in, d.done()
}

func encodeFlags(flags []imap.Flag) []byte {
	e := make(encoder, 0, 16)
	e.uint(uint64(len(flags)))
	for _, f := range flags {
		e.text(string(f))
	}
	return e
}

// decodeFlags returns nil for the empty set.
func decodeFlags(d *decoder) []imap.Flag {
	n := d.uint(uint64(len(d.rest))) // each flag takes at least one byte
	if n == 0 {
		return nil
	}
	flags := make([]imap.Flag, 0, n)
	for range n {
		flags = append(flags, imap.Flag(d.text()))
	}
	return flags
}

// quarantinedAgain stands beside the attempts for Again, so that rows of
// earlier versions, which have none, read as before.
const quarantinedAgain = 1 << 32

func encodeQuarantined(q *store.Quarantined) []byte {
	var e encoder
	e.text(q.Reason)
	e.text(q.Cause)
	attempts := uint64(q.Attempts)
	if q.Again {
		attempts |= quarantinedAgain
	}
	e.uint(attempts)
	e.time(q.Since)
	e.time(q.Last)
	return e
}

func decodeQuarantined(key store.Key, row []byte) (store.Quarantined, error) {
	d := decoder{rest: row}
	q := store.Quarantined{Key: key, Reason: d.text(), Cause: d.text()}
	attempts := d.uint(2*quarantinedAgain - 1)
	q.Attempts, q.Again = uint32(attempts), attempts&quarantinedAgain != 0
	q.Since, q.Last = d.time(), d.time()
	return q, d.done()
}

func encodeRepaired(r *store.Repaired) []byte {
	var e encoder
	e.text(r.What)
	e.raw(r.Fingerprint[:])
	e.uint(uint64(r.Size))
	e.time(r.When)
	return e
}

func decodeRepaired(key store.Key, row []byte) (store.Repaired, error) {
	d := decoder{rest: row}
	r := store.Repaired{
		Key:         key,
		What:        d.text(),
		Fingerprint: store.Fingerprint(d.raw(8)),
		Size:        d.uint32(),
		When:        d.time(),
	}
	return r, d.done()
}

// What a pass's row says of itself. There was passComplete alone before.
const (
	passComplete = 1 << iota
	passKind     // it has the kind of its problem and what else is known of that
)

func encodePass(p *store.Pass) []byte {
	var e encoder
	e.time(p.Started)
	e.time(p.Ended)
	e.uint(p.Copied)
	e.uint(p.Adopted)
	e.uint(p.FlagChanges)
	e.uint(p.Bytes)
	e.uint(p.Quarantined)
	flags := uint64(0)
	if p.Complete {
		flags |= passComplete
	}
	if p.Kind != "" {
		flags |= passKind
	}
	e.uint(flags)
	e.text(p.Error)
	if p.Kind != "" {
		e.text(string(p.Kind))
		e.text(string(p.Server))
		e.text(p.Host)
		e.text(p.Folder)
	}
	return e
}

func decodePass(row []byte) (store.Pass, error) {
	d := decoder{rest: row}
	p := store.Pass{
		Started:     d.time(),
		Ended:       d.time(),
		Copied:      d.uint64(),
		Adopted:     d.uint64(),
		FlagChanges: d.uint64(),
		Bytes:       d.uint64(),
		Quarantined: d.uint64(),
	}
	flags := d.uint(passComplete | passKind)
	p.Complete, p.Error = flags&passComplete != 0, d.text()
	if flags&passKind != 0 {
		p.Kind, p.Server, p.Host, p.Folder = store.ProblemKind(d.text()), store.Side(d.text()), d.text(), d.text()
	}
	return p, d.done()
}

// encodeNumber and decodeNumber are for the rows that are one number, fixed
// in length so that their order is the numbers' order.
func encodeNumber(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func decodeNumber(row []byte) (uint64, error) {
	switch {
	case len(row) < 8:
		return 0, errShort
	case len(row) > 8:
		return 0, errLong
	}
	return binary.BigEndian.Uint64(row), nil
}
