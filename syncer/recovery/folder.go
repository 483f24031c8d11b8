package recovery

import (
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// ErrNewGone says that the folder is not on the new server any more.
var ErrNewGone = problem.New(store.FolderVanished, store.NewSide, "the folder is gone from the new server")

// Folder is a folder as it is open on both servers, and its ledger. What it knows of both sides is of
// the sessions that it was opened with last; of what came before only that counts which was committed.
type Folder struct {
	Account  store.AccountID
	Row      store.Folder // its checkpoint advances with what is committed
	Store    Store
	Pair     *session.Pair
	Resets   *AllMailResets
	Log      zerolog.Logger
	Progress progress

	Old      session.Source
	Selected *session.SourceFolder
	New      session.Target
	Target   upstream.Status // of the new folder

	Base    store.Checkpoint // the checkpoint that it was opened with
	Ledger  store.Ledger
	Known   *session.Known
	Touched map[store.Key][]imap.Flag // flags an interrupted pull was about to change

	Numbering

	Awaited     bool             // somebody waits for the folder to be shown
	Postponed   bool             // so that all of its messages are compared at the next look only: see Overdue
	AllMailAnew bool             // all mail is to be looked through again, as the store knows
	Again       []store.FolderID // folders of which messages are to be copied again, as the store knows
	listedAgain bool             // it was found out that messages had been left out of listings
}

// Numbering is what is known of how the new server numbers a folder, and of what its copies lack.
type Numbering struct {
	Fleeting  bool                  // its UIDs don't last, as it said when it was last opened
	lastOwn   imap.UID              // the highest UID that a copy of this pull has got
	Sample    *Sample               // nil for none
	Permanent session.PermanentCall // what flags the new folder can keep; nil if nobody asked in this session
	Mending   bool                  // copies lack flags, which are to be added
	Rekeyed   bool                  // lines of this folder have got other keys
}

// progress hears what is found out of a folder before and after its messages are copied.
type progress interface {
	// LedgerRead: the ledger has been read anew, and counting begins with it.
	LedgerRead()
	Tell()
	Copied(messages uint64)
	FlagsChanged(messages uint64)
}

// Begin counts from the ledger as it has just been read.
func (f *Folder) Begin() {
	f.Known = session.NewKnown(f.Ledger, f.Selected.Keys)
	f.Progress.LedgerRead()
}

// ReadWhatCounts reads the folder's ledger: of one that has been pulled to its end
// before, only what lies behind the checkpoint, whatever its size.
func (f *Folder) ReadWhatCounts(ctx context.Context) error {
	l, ok, err := f.readTail(ctx)
	if err != nil {
		return err
	}
	if !ok {
		err = f.ReadLedger(ctx)
		f.Begin()
		return err
	}
	f.Ledger, f.Touched = l.Ledger, nil
	f.Known = session.NewKnown(f.Ledger, f.Selected.Keys)
	f.Known.Before = int(l.Before)
	f.Progress.LedgerRead()
	return nil
}

// readTail reads the ledger behind the checkpoint. It returns false where all of it
// is needed: to find copies again, after an interruption, or to compare all flags.
func (f *Folder) readTail(ctx context.Context) (l store.LedgerTail, ok bool, err error) {
	cp := f.Row.Checkpoint
	if !f.Selected.Traits.StableUIDs || cp.Checked.IsZero() || cp.UIDNext < 2 || cp.UIDValidity != f.Selected.UIDValidity ||
		cp.HighestModSeq == 0 || f.Selected.HighestModSeq < cp.HighestModSeq ||
		cp.NewUIDValidity != f.Target.UIDValidity || newWentBack(cp, f.Target) != "" {
		return l, false, nil
	}
	l, err = f.Store.LedgerFrom(ctx, f.Account, f.Row.ID, f.Selected.Keys.Key(TailFrom(cp)))
	if err != nil || len(l.Intents)+len(l.Lost) > 0 {
		return l, false, err
	}
	// Keys are sorted: if the first and the last are of the folder as it is, all are.
	_, present := f.Selected.Keys.UID(l.First.Key)
	_, stale := f.Selected.Keys.Split(l.Entries)
	here := l.First.UID != 0 && l.First.UIDValidity == f.Target.UIDValidity
	return l, present && len(stale) == 0 && here, nil
}

// Gone turns a refusal to open a folder into the error that says it is gone.
func (f *Folder) Gone(err, as error) error {
	if link.ClassOf(err) == link.Refused {
		return fmt.Errorf("%w: %w", as, err)
	}
	return err
}

// LookAtNew learns where the new folder's next message will be.
func (f *Folder) LookAtNew(ctx context.Context) error {
	all, err := f.New.Status(ctx, []string{f.Row.New})
	if err != nil {
		return err
	}
	st, ok := all[f.Row.New]
	if !ok {
		return ErrNewGone
	}
	f.Target = st
	return nil
}

// FindUIDNext asks for the last message where the server did not tell UIDNEXT
// (it need not, RFC 3501 section 7.1).
func (f *Folder) FindUIDNext(ctx context.Context) error {
	if f.Selected.UIDNext != 0 {
		return nil
	}
	f.Selected.UIDNext = 1
	if f.Selected.Messages == 0 {
		return nil
	}
	last := imap.UIDSet{imap.UIDRange{Start: 0, Stop: 0}} // "*"
	return f.Old.ListFlags(ctx, last, func(m upstream.Message) error {
		f.Selected.UIDNext = max(f.Selected.UIDNext, m.UID+1)
		return nil
	})
}

// First tells whether the folder has never been pulled to its end.
func (f *Folder) First() bool { return f.Base.Checked.IsZero() }

// VoidQuarantine are the keys of messages that were quarantined before the old
// server numbered the folder anew. They have been tried again under their new ones.
func (f *Folder) VoidQuarantine() (void []store.Key) {
	if !f.Selected.Traits.StableUIDs && !f.First() {
		return nil // what is not listed is gone, and stays on record
	}
	for _, q := range f.Ledger.Quarantine {
		if _, present := f.Selected.Keys.UID(q.Key); !present {
			void = append(void, q.Key)
		}
	}
	return void
}

// CommitLeaving commits a batch, and has all mail looked through again if messages leave the ledger with it (Forget), or the quarantine
// (Release): whether they are still in the folder is not known. lost are copies of other folders' lines, whose messages are copied again with it.
func (f *Folder) CommitLeaving(ctx context.Context, batch store.Batch, lost ...store.Away) error {
	commit := func() error {
		rows, err := f.Store.Folders(ctx, f.Account)
		if err != nil {
			return err
		}
		batches := append(AwayLost(f.Account, rows, lost), batch)
		for _, b := range batches[:len(batches)-1] {
			f.Again = append(f.Again, b.Folder)
		}
		if !f.Row.AllMail {
			batches = append(AllMailAnew(f.Account, rows), batches...)
		}
		return f.Store.CommitAll(ctx, batches)
	}
	switch {
	case len(lost) == 0 && (f.Row.AllMail || len(batch.Forget)+len(batch.Release) == 0):
		return f.Store.Commit(ctx, batch)
	case f.Row.AllMail: // its store holds the resets while it commits
		return commit()
	}
	f.AllMailAnew = true
	return f.Resets.Commit(commit)
}

// ReadLedger reads the folder's ledger and takes the flag intents apart from
// those to append.
func (f *Folder) ReadLedger(ctx context.Context) error {
	l, err := f.Store.Ledger(ctx, f.Account, f.Row.ID)
	if err != nil {
		return err
	}
	f.Touched = map[store.Key][]imap.Flag{}
	l.Intents = slices.DeleteFunc(l.Intents, func(in store.Intent) bool {
		e, ok := message.FindEntry(l.Entries, in.Key)
		if ok {
			f.Touched[in.Key] = message.FlagsOfEither(e.Flags, in.Flags)
		}
		return ok
	})
	f.Ledger = l
	return nil
}

// OpenAgain goes back to the folder that is pulled.
func (f *Folder) OpenAgain(ctx context.Context) error {
	opened, err := f.Old.Open(ctx, f.Row.Old, session.OpenWith{})
	if err != nil {
		return err
	}
	if opened.UIDValidity != f.Selected.UIDValidity {
		return ErrRecognised
	}
	return nil
}
