package syncer

import (
	"slices"
	"time"

	"postferry/syncer/folders"
	"postferry/syncer/transfer/job"
)

// A client may open a folder that a pass is pulling. To hand it over to another pull means to open it once more,
// for which an old server with a large folder needs seconds, and before that to wait until the pass has opened it.
// So the pass's pull goes on if it has seen the folder as it is; if not all of it can be there in time, it brings the
// newest messages first.

// seatedSoon is how long a pull may take for its places where they are free: until then it is not known whether it
// has to wait for them.
const seatedSoon = 50 * time.Millisecond

// serves has the pass's pull of a folder serve those who open it; false if they need another one.
func (s *visits) serves(f *folders.Folder) bool {
	p := f.Pulling
	switch {
	case p.Newest:
		return true
	case p.Searches == nil || f.AllMail || time.Since(p.Begun) > visitFresh:
		return false
	case !p.Searches.Seated():
		wait := seatedSoon - time.Since(p.Begun)
		if wait > 0 {
			s.jobs.After(wait, func() {}) // what there is to be done then shows by itself
		}
		return wait > 0
	case s.soonThere(f):
		s.serveAll(f, p)
		return true
	case p.Early: // it would have to be hung up all the same
		return false
	}
	p.Newest = true
	p.Searches.Add(job.NewNewest(func() {
		s.jobs.Events <- func() { s.thereFor(f, p) } // the account hears its jobs to the last
	}))
	return true
}

// serveAll has those who open a folder wait until all of it is there. When that should be, it is looked at again.
func (s *visits) serveAll(f *folders.Folder, p *folders.Pulling) {
	if !p.Awaited {
		p.Awaited = true
		s.jobs.After(max(time.Until(s.visiting(f).Due), 0), func() {}) // what there is to be done then shows by itself
	}
}

// soonThere tells whether all of a folder should be there while its visitors wait.
func (s *visits) soonThere(f *folders.Folder) bool {
	st := s.mail.Trees.Status[f.Old]
	left := int(st.Messages)
	if f.Far().Total > 0 {
		left = int(f.Lacks())
	}
	octets := uint64(float64(st.Size) / float64(max(st.Messages, 1)) * float64(left))
	inTime, _ := s.visiting(f).InTime(s.jobs.Front, s.traffic, left, octets)
	return left <= job.VisitShown || inTime
}

// thereFor lets those in who have opened a folder that a pass is pulling.
func (s *visits) thereFor(f *folders.Folder, p *folders.Pulling) {
	if f.Pulling == p {
		p.Shown = true
	}
	s.list = slices.DeleteFunc(s.list, func(v *visit) bool {
		if v.folder != f || v.search != nil {
			return false
		}
		v.show()
		return true
	})
}

// allThere hears of a pass's pull that all of a folder is there, but perhaps for changes of flags.
func (s *visits) allThere(f *folders.Folder, p *folders.Pulling) {
	if p.Awaited || p.Newest {
		s.thereFor(f, p)
	}
}

// allServed tells whether nobody waits for a pull of its own.
func (s *visits) allServed() bool {
	return !slices.ContainsFunc(s.list, func(v *visit) bool {
		f := v.folder
		return f.Pulling == nil || f.Pulling.Visit || !s.serves(f)
	})
}

// wayFor is how long a pass makes way for who has just logged in and will open a folder next.
const wayFor = time.Second
