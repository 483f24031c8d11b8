package transfer

import "sync/atomic"

// counters are stats that a pull's goroutines count together.
type counters struct {
	copied, adopted, flagChanges, Quarantined, bytes atomic.Uint64

	octets atomic.Uint64
}

func (c *counters) Stats() Stats {
	return Stats{
		Copied:      c.copied.Load(),
		Adopted:     c.adopted.Load(),
		FlagChanges: c.flagChanges.Load(),
		Quarantined: c.Quarantined.Load(),
		Bytes:       c.bytes.Load(),
		octets:      c.octets.Load(),
	}
}

// dealt is how many messages have got an end.
func (c *counters) dealt() uint64 {
	return c.copied.Load() + c.adopted.Load() + c.Quarantined.Load()
}
