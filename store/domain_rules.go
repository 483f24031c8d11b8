package store

// DomainRules are what somebody wants for a domain's folders, whether there is a way back, and how fast its mail may be copied. The zero
// value is what there is without.
type DomainRules struct {
	// Skip are patterns of folders that are left alone, Rename gives folders of the old server another
	// name on the new one.
	Skip   []string
	Rename map[string]string
	// WayBack copies mail that arrives at the new server after the MX has moved back to the old one.
	WayBack bool
	// CopyViews is for folders that show mail of others, CopyShared for those of other people.
	CopyViews, CopyShared bool
	// MessagesPerSecond and BytesPerSecond bound all accounts of the domain together; 0 for no bound.
	MessagesPerSecond, BytesPerSecond uint64
	// Connections bound an account at either server, OldBytesPerDay and NewBytesPerDay what is read and
	// written for one within 24 hours; nil for what is usual.
	Connections, OldBytesPerDay, NewBytesPerDay *uint64
}

// None tells whether there are no rules.
func (r *DomainRules) None() bool {
	return len(r.Skip) == 0 && len(r.Rename) == 0 && !r.CopyViews && !r.CopyShared && !r.WayBack && r.MessagesPerSecond == 0 && r.BytesPerSecond == 0 &&
		r.Connections == nil && r.OldBytesPerDay == nil && r.NewBytesPerDay == nil
}
