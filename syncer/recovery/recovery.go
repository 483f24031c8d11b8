package recovery

// Recovery is what brings a folder and its ledger together, part by part.
type Recovery struct {
	Copies         *Copies
	Numbers        *Numbers
	Flags          *FlagSync
	Reconciliation *Reconciliation
	Seconds        *SecondCopies
	Alike          *AlikeCopies
}

// New makes it for a folder, for as long as that is pulled.
func New(f *Folder) *Recovery {
	others := otherFolders{f}
	copies := &Copies{folder: f, others: others}
	numbers := &Numbers{folder: f, copies: copies, old: oldNumbers{f}}
	return &Recovery{
		Copies: copies, Numbers: numbers,
		Flags:          &FlagSync{folder: f, copies: copies, numbers: numbers},
		Reconciliation: &Reconciliation{f, copies, others},
		Seconds:        &SecondCopies{f, copies},
		Alike:          &AlikeCopies{folder: f},
	}
}
