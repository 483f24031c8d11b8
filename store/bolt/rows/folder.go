package rows

import (
	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
)

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

// EncodeFolder leaves out what encodeProgress keeps.
func EncodeFolder(f *store.Folder) []byte {
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
		e.text(string(f.Note))
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

// DecodeFolder reads a folder's row.
func DecodeFolder(id store.FolderID, row []byte) (store.Folder, error) {
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
		f.Note = reason.Stored(d.text())
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

// Progress is the part of a folder that batches change.
type Progress struct {
	Validity    uint32 // what the entries' UIDValidity is counted from; never changes while there is an entry
	Checkpoint  store.Checkpoint
	Order       store.Order
	Copied      uint64
	Quarantined uint64
}

// EncodeProgress makes the row of what batches change of a folder.
func EncodeProgress(p *Progress) []byte {
	e := make(encoder, 0, 64)
	e.fixed32(p.Validity)
	e.fixed32(p.Checkpoint.UIDValidity)
	e.uint(uint64(p.Checkpoint.UIDNext))
	e.uint(p.Checkpoint.HighestModSeq)
	e.uint(uint64(p.Checkpoint.Messages))
	e.time(p.Checkpoint.Checked)
	e.uint(p.Copied)
	e.uint(p.Quarantined)
	encodeNewSide(&e, &p.Checkpoint)
	encodeOrder(&e, &p.Order)
	return e
}

// encodeNewSide writes what schema 3 has added to a checkpoint.
func encodeNewSide(e *encoder, c *store.Checkpoint) {
	e.fixed32(c.NewUIDValidity)
	e.uint(uint64(c.NewUIDNext))
	e.uint(c.NewHighestModSeq)
}

// DecodeProgress reads the row of what batches change of a folder.
func DecodeProgress(row []byte) (Progress, error) {
	d := decoder{rest: row}
	p := Progress{
		Validity: d.fixed32(),
		Checkpoint: store.Checkpoint{
			UIDValidity:   d.fixed32(),
			UIDNext:       imap.UID(d.uint32()),
			HighestModSeq: d.uint64(),
			Messages:      d.uint32(),
			Checked:       d.time(),
		},
		Copied:      d.uint64(),
		Quarantined: d.uint64(),
	}
	if d.more() { // a row of schema 2 ends here
		p.Checkpoint.NewUIDValidity = d.fixed32()
		p.Checkpoint.NewUIDNext = imap.UID(d.uint32())
		p.Checkpoint.NewHighestModSeq = d.uint64()
	}
	p.Order = decodeOrder(&d)
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
