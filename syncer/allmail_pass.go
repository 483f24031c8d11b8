package syncer

import "postferry/syncer/folders"

// nextArchive is a folder with all mail that the pass has come to: the others have been pulled, as
// far as they can be. One is pulled after the other, as what the first has brought is known then.
func (p *passRun) nextArchive(folders folders.List, tree *folders.Trees) *folders.Folder {
	if p.yielded || p.stopped || p.options.inboxOnly {
		return nil
	}
	for _, f := range folders {
		if f.AllMail && !p.archived[f] && tree.Due(f, p.options.inboxOnly) {
			return f
		}
	}
	return nil
}

// pullArchive pulls it.
func (ps *passes) pullArchive(f *folders.Folder) {
	p := ps.pass
	p.archived[f] = true
	p.queue = append(p.queue, f)
	ps.nextFolders(p)
}
