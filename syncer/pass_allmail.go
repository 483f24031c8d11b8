package syncer

import "postferry/syncer/folders"

// pullArchive pulls it.
func (ps *passes) pullArchive(f *folders.Folder) {
	p := ps.pass
	p.archived[f] = true
	p.queue = append(p.queue, f)
	ps.nextFolders(p)
}
