package rows

import (
	"maps"
	"slices"

	"postferry/store"
)

// encodeRules appends a domain's rules, if there are any or something follows.
func encodeRules(e *encoder, r *store.DomainRules, follows bool) {
	if r.None() && !follows {
		return
	}
	e.uint(uint64(len(r.Skip)))
	for _, pattern := range r.Skip {
		e.text(pattern)
	}
	e.uint(uint64(len(r.Rename)))
	for _, old := range slices.Sorted(maps.Keys(r.Rename)) {
		e.text(old)
		e.text(r.Rename[old])
	}
	e.bool(r.CopyViews)
	e.bool(r.CopyShared)
	e.uint(r.MessagesPerSecond)
	e.uint(r.BytesPerSecond)
	for _, n := range []*uint64{r.Connections, r.OldBytesPerDay, r.NewBytesPerDay} {
		e.bool(n != nil)
		if n != nil {
			e.uint(*n)
		}
	}
	e.bool(r.WayBack)
}

// decodeRules reads what encodeRules has appended.
func decodeRules(d *decoder) (r store.DomainRules) {
	for n := d.uint(maxRules); n > 0 && d.err == nil; n-- {
		r.Skip = append(r.Skip, d.text())
	}
	if n := d.uint(maxRules); n > 0 && d.err == nil {
		r.Rename = map[string]string{}
		for ; n > 0 && d.err == nil; n-- {
			old := d.text()
			r.Rename[old] = d.text()
		}
	}
	r.CopyViews, r.CopyShared = d.bool(), d.bool()
	r.MessagesPerSecond, r.BytesPerSecond = d.uint64(), d.uint64()
	for _, to := range []**uint64{&r.Connections, &r.OldBytesPerDay, &r.NewBytesPerDay} {
		if d.bool() {
			*to = new(d.uint64())
		}
	}
	if d.more() { // rows that were written without a way back end here
		r.WayBack = d.bool()
	}
	return r
}

// maxRules bounds what a damaged row may make us read.
const maxRules = 100_000
