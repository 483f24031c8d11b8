package job

import "sync/atomic"

// Counters are stats that a pull's goroutines count together.
type Counters struct {
	Copied, Adopted, flagChanges, Quarantined, Bytes atomic.Uint64

	octets atomic.Uint64
}

// Stats are the counts as they are now.
func (c *Counters) Stats() Stats {
	return Stats{
		Copied:      c.Copied.Load(),
		Adopted:     c.Adopted.Load(),
		FlagChanges: c.flagChanges.Load(),
		Quarantined: c.Quarantined.Load(),
		Bytes:       c.Bytes.Load(),
		octets:      c.octets.Load(),
	}
}

// Dealt is how many messages have got an end.
func (c *Counters) Dealt() uint64 {
	return c.Copied.Load() + c.Adopted.Load() + c.Quarantined.Load()
}

// Stats are what a pull did.
type Stats struct {
	Copied, Adopted, FlagChanges, Quarantined, Bytes uint64

	octets uint64 // of what was copied or adopted, on the old server
}

// dealt is how many messages have got an end.
func (s Stats) dealt() uint64 { return s.Copied + s.Adopted + s.Quarantined }

// Add adds what another pull did.
func (s *Stats) Add(t Stats) {
	s.Copied += t.Copied
	s.Adopted += t.Adopted
	s.FlagChanges += t.FlagChanges
	s.Quarantined += t.Quarantined
	s.Bytes += t.Bytes
}
