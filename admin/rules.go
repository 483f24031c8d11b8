package admin

import (
	"encoding/json"
	"slices"

	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
)

// FolderRules are what is wanted for a domain's folders.
type FolderRules struct {
	Skip       []string          `json:"skip"`        // patterns of folders that are left alone
	Rename     map[string]string `json:"rename"`      // old name -> new one
	CopyViews  bool              `json:"copy_views"`  // also folders that show mail of others
	CopyShared bool              `json:"copy_shared"` // also folders of other people
}

// LimitRules are how fast a domain's mail may be copied. Nil is for what is usual, or what the provider allows.
type LimitRules struct {
	MessagesPerSecond uint64  `json:"messages_per_second"` // all accounts together; 0 for no bound
	BytesPerSecond    uint64  `json:"bytes_per_second"`
	Connections       *uint64 `json:"connections"` // of an account to either server
	OldBytesPerDay    *uint64 `json:"old_bytes_per_day"`
	NewBytesPerDay    *uint64 `json:"new_bytes_per_day"`
}

// EffectiveLimits are those that count for an account; 0 for no bound.
type EffectiveLimits struct {
	Connections    uint64 `json:"connections"`
	OldBytesPerDay uint64 `json:"old_bytes_per_day"`
	NewBytesPerDay uint64 `json:"new_bytes_per_day"`
}

// The least that a limit may be, if it is not 0; the configuration has the same bounds.
const (
	leastPerSecond, leastPerDay = 1000, 1_000_000 // octets
	mostMessages                = 1_000_000
	maxFolderRules              = 1000
)

// readRules reads what was given for folders, limits and the way back, and leaves the rest as it was.
func readRules(r *store.DomainRules, in DomainInput) (mistakes []access.Mistake) {
	if f := in.Folders; f != nil {
		if len(f.Skip)+len(f.Rename) > maxFolderRules {
			return []access.Mistake{access.WrongField("folders", "too_many_rules", "There are more rules than can be kept: %d at most.", maxFolderRules)}
		}
		folders, wrong := config.NewFolders(f.Skip, f.Rename)
		for _, err := range wrong {
			m := access.WrongField("folders", "folder_malformed", "A folder can't be written like this: %s.", err)
			m.Args = access.Args("why", err.Error())
			mistakes = append(mistakes, m)
		}
		r.Skip, r.Rename, r.CopyViews, r.CopyShared = folders.Skip, folders.Map, f.CopyViews, f.CopyShared
	}
	if l := in.Limits; l != nil {
		mistakes = append(mistakes, checkLimits(l)...)
		r.MessagesPerSecond, r.BytesPerSecond = l.MessagesPerSecond, l.BytesPerSecond
		r.Connections, r.OldBytesPerDay, r.NewBytesPerDay = l.Connections, l.OldBytesPerDay, l.NewBytesPerDay
	}
	if in.WayBack != nil {
		r.WayBack = *in.WayBack
	}
	return mistakes
}

// checkLimits says what is wrong with limits.
func checkLimits(l *LimitRules) (mistakes []access.Mistake) {
	within := func(field string, n *uint64, lowest, highest uint64, orNone bool) {
		if n == nil || orNone && *n == 0 || *n >= lowest && *n <= highest {
			return
		}
		m := access.WrongField(field, "number_range", "This should be a number from %d to %d.", lowest, highest)
		m.Args = access.Args("lowest", lowest, "highest", highest)
		mistakes = append(mistakes, m)
	}
	const mostOctets = 1 << 50
	within("messages_per_second", &l.MessagesPerSecond, 1, mostMessages, true)
	within("bytes_per_second", &l.BytesPerSecond, leastPerSecond, mostOctets, true)
	within("connections", l.Connections, 1, config.DefaultConnections, false)
	within("old_bytes_per_day", l.OldBytesPerDay, leastPerDay, mostOctets, true)
	within("new_bytes_per_day", l.NewBytesPerDay, leastPerDay, mostOctets, true)
	return mistakes
}

// applyRules makes a domain of the configuration what its rules say.
func applyRules(d *config.Domain, r store.DomainRules) {
	d.WayBack = r.WayBack
	d.Folders = config.Folders{Skip: r.Skip, Map: r.Rename, CopyViews: r.CopyViews, CopyShared: r.CopyShared}
	d.Limits = config.Limits{MessagesPerSecond: int(r.MessagesPerSecond), BytesPerSecond: int64(r.BytesPerSecond)}
	d.Account.Given = config.GivenLimits{Connections: r.Connections != nil, OldBytesPerDay: r.OldBytesPerDay != nil, NewBytesPerDay: r.NewBytesPerDay != nil}
	if r.Connections != nil {
		d.Account.Connections = int(*r.Connections)
	}
	if r.OldBytesPerDay != nil {
		d.Account.OldBytesPerDay = int64(*r.OldBytesPerDay)
	}
	if r.NewBytesPerDay != nil {
		d.Account.NewBytesPerDay = int64(*r.NewBytesPerDay)
	}
}

// rulesOf are the rules that a domain of the configuration has, as somebody has chosen them.
func rulesOf(d *config.Domain) (r store.DomainRules) {
	a := d.Account
	r = store.DomainRules{WayBack: d.WayBack, Skip: d.Folders.Skip, Rename: d.Folders.Map, CopyViews: d.Folders.CopyViews, CopyShared: d.Folders.CopyShared,
		MessagesPerSecond: uint64(d.Limits.MessagesPerSecond), BytesPerSecond: uint64(d.Limits.BytesPerSecond)}
	if a.Given.Connections {
		r.Connections = new(uint64(a.Connections))
	}
	if a.Given.OldBytesPerDay {
		r.OldBytesPerDay = new(uint64(a.OldBytesPerDay))
	}
	if a.Given.NewBytesPerDay {
		r.NewBytesPerDay = new(uint64(a.NewBytesPerDay))
	}
	return r
}

func foldersOf(r store.DomainRules) FolderRules {
	rename := map[string]string{}
	for from, to := range r.Rename {
		rename[from] = to
	}
	return FolderRules{Skip: append([]string{}, slices.Clone(r.Skip)...), Rename: rename, CopyViews: r.CopyViews, CopyShared: r.CopyShared}
}

func limitsOf(r store.DomainRules) LimitRules {
	return LimitRules{MessagesPerSecond: r.MessagesPerSecond, BytesPerSecond: r.BytesPerSecond, Connections: r.Connections, OldBytesPerDay: r.OldBytesPerDay, NewBytesPerDay: r.NewBytesPerDay}
}

// effective are the limits that count for an account.
func effective(d *config.Domain) EffectiveLimits {
	return EffectiveLimits{Connections: uint64(d.Connections()), OldBytesPerDay: uint64(max(d.Account.OldBytesPerDay, 0)), NewBytesPerDay: uint64(max(d.Account.NewBytesPerDay, 0))}
}

// rulesText is how the audit log has rules; "" for none.
func rulesText(rules any) string {
	text, err := json.Marshal(rules)
	if none, _ := json.Marshal(foldersOf(store.DomainRules{})); err != nil || string(text) == string(none) {
		return ""
	}
	if none, _ := json.Marshal(LimitRules{}); string(text) == string(none) {
		return ""
	}
	return string(text)
}
