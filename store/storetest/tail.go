package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"postferry/store"
)

// sameTails compares what LedgerFrom and Entries read with the whole ledger.
func sameTails(s interface {
	LedgerFrom(context.Context, store.AccountID, store.FolderID, store.Key) (store.LedgerTail, error)
	Entries(context.Context, store.AccountID, store.FolderID, []store.Key) ([]store.Entry, error)
}, id store.AccountID, folder store.FolderID, all store.Ledger) error {
	ctx := context.Background()
	var keys []store.Key
	for i := 0; i < len(all.Entries); i += max(len(all.Entries)/10, 1) {
		keys = append(keys, all.Entries[i].Key, all.Entries[i].Key+"\x00")
	}
	for _, from := range append(keys, "\x00", "\xff\xff\xff") {
		want := store.LedgerTail{Ledger: all}
		for len(want.Entries) > 0 && want.Entries[0].Key < from {
			want.Entries = want.Entries[1:]
			want.Before++
		}
		if len(want.Entries) == 0 {
			want.Entries = nil
		}
		if len(all.Entries) > 0 {
			want.First = all.Entries[0]
		}
		got, err := s.LedgerFrom(ctx, id, folder, from)
		if err != nil || !reflect.DeepEqual(got, want) {
			return fmt.Errorf("the ledger from %q is %+v, %v; want %+v", from, got, err, want)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var want []store.Entry
	for _, e := range all.Entries {
		if slices.Contains(keys, e.Key) {
			want = append(want, e)
		}
	}
	got, err := s.Entries(ctx, id, folder, keys)
	if err != nil || !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the entries are %+v, %v; want %+v", got, err, want)
	}
	return nil
}
