package syncer

// nextArchive is a folder with all mail that the pass has come to: the others have been pulled, as
// far as they can be. One is pulled after the other, as what the first has brought is known then.
func (p *passRun) nextArchive(folders folderList, tree *treeState) *tracked {
	if p.yielded || p.stopped || p.options.inboxOnly {
		return nil
	}
	for _, f := range folders {
		if f.AllMail && !p.archived[f] && tree.due(f, p.options) {
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
