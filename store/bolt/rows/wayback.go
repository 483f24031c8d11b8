package rows

import (
	"encoding/binary"
	"math"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
)

// returnKeyLen is the length of the key of a message on its way back; that of a folder's row is FolderKeyLen.
const returnKeyLen = FolderKeyLen + 8

// ReturnKey is the key of a message on its way back.
func ReturnKey(id store.AccountID, folder store.FolderID, k store.ReturnKey) []byte {
	key := binary.BigEndian.AppendUint32(FolderKey(id, folder), k.UIDValidity)
	return binary.BigEndian.AppendUint32(key, uint32(k.UID))
}

// EncodeWayBack writes how far a folder is.
func EncodeWayBack(w *store.WayBack) []byte {
	var e encoder
	e.uint(uint64(w.UIDValidity))
	e.uint(uint64(w.Next))
	e.time(w.Since)
	e.uint(w.Copied)
	e.uint(w.Octets)
	e.time(w.Last)
	e.text(string(w.Trouble))
	return e
}

// EncodeReturn writes a message on its way back.
func EncodeReturn(r *store.Return) []byte {
	var e encoder
	e.uint(uint64(r.State))
	e.text(string(r.Fingerprint[:]))
	e.uint(uint64(r.Size))
	e.time(r.Date)
	e.time(r.Written)
	e.uint(uint64(r.Attempts))
	e.text(r.Cause)
	return e
}

// DecodeReturns reads a row of either kind: the other is nil.
func DecodeReturns(key, row []byte) (*store.WayBack, *store.Return, error) {
	d := decoder{rest: row}
	switch len(key) {
	case FolderKeyLen:
		w := &store.WayBack{Folder: folderOf(key), UIDValidity: d.uint32(), Next: imap.UID(d.uint32()), Since: d.time(),
			Copied: d.uint64(), Octets: d.uint64(), Last: d.time(), Trouble: reason.Stored(d.text())}
		return w, nil, d.done()
	case returnKeyLen:
		r := &store.Return{Folder: folderOf(key), UIDValidity: binary.BigEndian.Uint32(key[FolderKeyLen:]), UID: imap.UID(binary.BigEndian.Uint32(key[FolderKeyLen+4:]))}
		r.State = store.ReturnState(d.uint(math.MaxUint8))
		copy(r.Fingerprint[:], d.text())
		r.Size, r.Date, r.Written, r.Attempts, r.Cause = d.uint32(), d.time(), d.time(), d.uint32(), d.text()
		return nil, r, d.done()
	}
	return nil, nil, ErrKey
}

func folderOf(key []byte) store.FolderID {
	return store.FolderID(binary.BigEndian.Uint32(key[AccountKeyLen:]))
}
