package web

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"postferry/admin"
	"postferry/admin/access"
)

// settingsForm is what is wanted for a domain's folders, whether there is a way back, and how fast its mail may be copied.
type settingsForm struct {
	Domain       *admin.DomainView
	All          bool // limits are for who looks after everything
	Skip, Rename string
	CopyViews    bool
	CopyShared   bool
	WayBack      bool
	Pairs        []admin.Pair // some of the accounts whose mailboxes have different names
	PairsTotal   int
	Limits       []limitField
	Told         recipientsForm
	Hook         webhookForm
}

// limitField is a limit in the form.
type limitField struct {
	Name, Value string
	Usual       string // what counts if none is given; "" for no bound
}

// renames is what separates a folder's old name from its new one.
const renames = "=>"

// megabyte is what limits of octets are entered in.
const megabyte = 1_000_000

func (s *serverPages) pageSettings(v *visit) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	return s.showSettings(v, d, settingsOf(v, d), nil)
}

// settingsOf is the form with what a domain has.
func settingsOf(v *visit, d *admin.DomainView) settingsForm {
	form := settingsForm{Skip: strings.Join(d.Folders.Skip, "\n"), CopyViews: d.Folders.CopyViews, CopyShared: d.Folders.CopyShared, WayBack: d.WayBack}
	for _, old := range slices.Sorted(maps.Keys(d.Folders.Rename)) {
		form.Rename += old + " " + renames + " " + d.Folders.Rename[old] + "\n"
	}
	l := d.Limits
	form.Limits = limitFields(v, d, func(name string) string {
		return map[string]string{
			"messages_per_second": given(&l.MessagesPerSecond, 1, true), "bytes_per_second": given(&l.BytesPerSecond, megabyte, true),
			"connections": given(l.Connections, 1, false), "old_bytes_per_day": given(l.OldBytesPerDay, megabyte, false), "new_bytes_per_day": given(l.NewBytesPerDay, megabyte, false),
		}[name]
	})
	return form
}

// given is a limit as it is entered; "" for none.
func given(n *uint64, unit float64, zeroIsNone bool) string {
	if n == nil || zeroIsNone && *n == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*n)/unit, 'f', -1, 64)
}

// limitFields are all limits with their values.
func limitFields(v *visit, d *admin.DomainView, value func(name string) string) (fields []limitField) {
	usual := map[string]string{"connections": v.W.Number(d.Effective.Connections)}
	for name, n := range map[string]uint64{"old_bytes_per_day": d.Effective.OldBytesPerDay, "new_bytes_per_day": d.Effective.NewBytesPerDay} {
		if n > 0 {
			usual[name] = v.W.Size(n)
		}
	}
	for _, name := range []string{"messages_per_second", "bytes_per_second", "connections", "old_bytes_per_day", "new_bytes_per_day"} {
		fields = append(fields, limitField{Name: name, Value: value(name), Usual: usual[name]})
	}
	return fields
}

func (s *serverPages) showSettings(v *visit, d *admin.DomainView, form settingsForm, n *notice) error {
	form.Domain, form.All = d, v.who.All()
	var err error
	if form.Pairs, form.PairsTotal, err = s.domains.UnlikePairs(v.r.Context(), v.who, d.Name); err != nil {
		return err
	}
	return s.frame.showAs(v, statusOf(n), "settings", view{Title: v.T("settings.title"), Path: domainPath(d.Name, "settings"), Crumbs: v.toDomain(d.Name), Notice: n, D: form})
}

// formSettings takes what was entered. Limits that can't be read are told at their fields.
func (s *serverPages) formSettings(v *visit) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	f := v.r.PostFormValue
	form := settingsForm{Skip: f("skip"), Rename: f("rename"), CopyViews: f("copy_views") != "", CopyShared: f("copy_shared") != "", WayBack: f("way_back") != ""}
	form.Limits = limitFields(v, d, f)
	in, mistakes := form.read(v.r.PostForm.Has("connections"))
	if len(mistakes) > 0 {
		return s.showSettings(v, d, form, v.noticeOf(&access.Refusal{Kind: access.KindInvalid, Code: "invalid", Detail: "Something that was given is not right.", Mistakes: mistakes}))
	}
	if _, _, err := s.domains.Put(v.r.Context(), v.who, d.Name, in); err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showSettings(v, d, form, n)
	}
	return v.seeOther(doneAt(domainPath(d.Name, "settings"), "settings", 0))
}

// read makes rules of what was entered.
func (form settingsForm) read(withLimits bool) (in admin.DomainInput, mistakes []access.Mistake) {
	folders := &admin.FolderRules{Rename: map[string]string{}, CopyViews: form.CopyViews, CopyShared: form.CopyShared}
	for line := range strings.Lines(form.Skip) {
		if line = strings.TrimSpace(line); line != "" {
			folders.Skip = append(folders.Skip, line)
		}
	}
	for line := range strings.Lines(form.Rename) {
		old, to, ok := strings.Cut(line, renames)
		switch {
		case strings.TrimSpace(line) == "":
		case !ok:
			mistakes = append(mistakes, access.WrongField("rename", "rename_malformed", "A line is not like this: Old name => New name"))
		default:
			folders.Rename[strings.TrimSpace(old)] = strings.TrimSpace(to)
		}
	}
	in.Folders, in.WayBack = folders, &form.WayBack
	if withLimits {
		in.Limits = &admin.LimitRules{}
		mistakes = append(mistakes, form.readLimits(in.Limits)...)
	}
	return in, mistakes
}

// readLimits reads the limits that were entered.
func (form settingsForm) readLimits(l *admin.LimitRules) (mistakes []access.Mistake) {
	to := map[string]func(n uint64){
		"messages_per_second": func(n uint64) { l.MessagesPerSecond = n }, "bytes_per_second": func(n uint64) { l.BytesPerSecond = n },
		"connections": func(n uint64) { l.Connections = &n }, "old_bytes_per_day": func(n uint64) { l.OldBytesPerDay = &n }, "new_bytes_per_day": func(n uint64) { l.NewBytesPerDay = &n },
	}
	for _, field := range form.Limits {
		text := strings.ReplaceAll(strings.TrimSpace(field.Value), ",", ".")
		if text == "" {
			continue
		}
		unit := 1.0
		if strings.Contains(field.Name, "bytes") {
			unit = megabyte
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0 && n < 1e12) {
			mistakes = append(mistakes, access.WrongField(field.Name, "not_a_number", "This is not a number."))
			continue
		}
		to[field.Name](uint64(n * unit))
	}
	return mistakes
}
