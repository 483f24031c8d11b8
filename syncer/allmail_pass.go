package syncer

// nextArchive is a folder with all mail that the pass has come to: the others have been pulled, as
// far as they can be. One is pulled after the other, as what the first has brought is known then.
func (a *account) nextArchive() *tracked {
	p := a.pass
	if p.yielded || p.stopped || p.options.inboxOnly {
		return nil
	}
	for _, f := range a.folders {
		if f.AllMail && !p.archived[f] && a.tree.due(f, p.options) {
			return f
		}
	}
	return nil
}

// pullArchive pulls it.
func (a *account) pullArchive(f *tracked) {
	p := a.pass
	p.archived[f] = true
	p.queue = append(p.queue, f)
	a.nextFolders(p)
}
