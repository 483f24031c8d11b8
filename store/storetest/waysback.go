package storetest

import (
	"testing"

	"postferry/report/reason"
	"postferry/store"
)

// testWaysBack: what goes back is written together with the ledger, and goes with its account.
func testWaysBack(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	other, otherFolder := f.folder("b@example.com")
	way := store.WayBack{Folder: folder, UIDValidity: 7, Next: 12, Since: at(1), Copied: 3, Octets: 500, Last: at(2)}
	sent := store.Return{Folder: folder, UIDValidity: 7, UID: 12, State: store.ReturnSent, Fingerprint: store.Fingerprint{1, 2}, Size: 9, Date: at(3), Written: at(4)}
	refused := store.Return{Folder: folder, UIDValidity: 7, UID: 11, State: store.ReturnRefused, Date: at(3), Written: at(4), Attempts: 2, Cause: "too large"}
	f.commit(store.Batch{Account: id, Folder: folder, WayBack: &way, Returns: []store.Return{sent, refused}})
	trouble := store.WayBack{Folder: otherFolder, Since: at(1), Trouble: reason.Of(reason.BackFull)}
	f.commit(store.Batch{Account: other, Folder: otherFolder, WayBack: &trouble})
	f.reopen()
	ways, returns, err := f.WaysBack(t.Context(), id)
	must(t, err)
	wantEqual(t, "ways", ways, []store.WayBack{way})
	wantEqual(t, "returns", returns, []store.Return{refused, sent})
	sum, err := f.WayBackOf(t.Context(), "example.com")
	must(t, err)
	wantEqual(t, "sum", sum, store.WayBackSum{Copied: 3, Last: at(2), Refused: 1, Open: 1, Troubled: 1, Trouble: reason.Of(reason.BackFull)})

	way.Copied, way.Next = 4, 13
	f.commit(store.Batch{Account: id, Folder: folder, WayBack: &way, Returned: []store.ReturnKey{sent.Key()}, Proofs: []store.Entry{entry("k")}})
	ways, returns, err = f.WaysBack(t.Context(), id)
	must(t, err)
	wantEqual(t, "ways", ways, []store.WayBack{way})
	wantEqual(t, "returns", returns, []store.Return{refused})
	_, _, err = f.WaysBack(t.Context(), 999)
	wantError(t, "unknown account", err, store.ErrNotFound)

	must(t, f.SetState(t.Context(), id, store.Stopped))
	must(t, f.SetState(t.Context(), other, store.Stopped))
	must(t, f.Forget(t.Context(), "example.com"))
	sum, err = f.WayBackOf(t.Context(), "example.com")
	must(t, err)
	wantEqual(t, "sum of nothing", sum, store.WayBackSum{})
}
