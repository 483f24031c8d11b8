package config

// limits reads how much may be asked of a domain's servers, altogether and for
// one account.
func (f *file) limits(domain *block, d *Domain) {
	all := f.blockOf(domain, "domain.limits")
	f.rates(all, &d.Limits)
	d.Logins = DefaultLogins
	set(all, "logins", &d.Logins, integer(1, 10_000))
	b, a := f.blockOf(domain, "domain.account_limits"), &d.Account
	f.rates(b, &a.Limits)
	a.Connections = DefaultConnections
	a.Given = GivenLimits{Connections: b.has("connections"), OldBytesPerDay: b.has("old_bytes_per_day"), NewBytesPerDay: b.has("new_bytes_per_day")}
	set(b, "connections", &a.Connections, integer(1, DefaultConnections))
	set(b, "old_bytes_per_day", &a.OldBytesPerDay, sizeOrNone(1e6, "2500MB"))
	set(b, "new_bytes_per_day", &a.NewBytesPerDay, sizeOrNone(1e6, "500MB"))
}

func (f *file) rates(b *block, l *Limits) {
	set(b, "messages_per_second", &l.MessagesPerSecond, integer(0, 1_000_000))
	set(b, "bytes_per_second", &l.BytesPerSecond, sizeOrNone(1000, "2MB"))
}
