package rows

import (
	"encoding/binary"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// Away is a copy that is away from its line, and the folder in which it is.
type Away struct {
	store.Away
	In store.FolderID
}

// EncodeAway writes where the copy of a line is, whose key the row's is.
func EncodeAway(a *Away) []byte {
	var e encoder
	e.uint(uint64(a.In))
	e.fixed32(a.UIDValidity)
	e.fixed32(uint32(a.UID))
	e.raw(a.Fingerprint[:])
	e.uint(uint64(a.Size))
	return e
}

// DecodeAway reads where the copy of a line is.
func DecodeAway(line store.Elsewhere, row []byte) (Away, error) {
	d := decoder{rest: row}
	a := Away{In: store.FolderID(d.uint32())}
	a.Away = store.Away{Line: line, UIDValidity: d.fixed32(), UID: imap.UID(d.fixed32()), Fingerprint: store.Fingerprint(d.raw(8)), Size: d.uint32()}
	return a, d.done()
}

// AwayInKey is the key, among the copies in a folder, of one whose line is another folder's.
func AwayInKey(id store.AccountID, in store.FolderID, line store.Elsewhere) []byte {
	return append(binary.BigEndian.AppendUint32(FolderKey(id, in), uint32(line.Folder)), line.Key...)
}

// SplitAwayInKey returns the line that such a key names.
func SplitAwayInKey(key []byte) (line store.Elsewhere, ok bool) {
	if len(key) <= FolderKeyLen+4 {
		return line, false
	}
	rest := key[FolderKeyLen:]
	return store.Elsewhere{Folder: store.FolderID(binary.BigEndian.Uint32(rest)), Key: store.Key(rest[4:])}, true
}
