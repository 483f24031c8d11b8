package web

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
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
	Was          map[string]string // what its fields had when it was first shown
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
	form.Was = form.fields()
	return form
}

// fields are what the form has in its fields, by their names.
func (form settingsForm) fields() map[string]string {
	all := map[string]string{"skip": form.Skip, "rename": form.Rename, "copy_views": boxValue(form.CopyViews), "copy_shared": boxValue(form.CopyShared), "way_back": boxValue(form.WayBack)}
	for _, limit := range form.Limits {
		all[limit.Name] = limit.Value
	}
	return all
}

// boxValue is what a browser sends of a box.
func boxValue(on bool) string {
	if on {
		return "1"
	}
	return ""
}

// changed tells whether somebody has changed a field of the form. What is as it was shown is not sent to the domain: somebody
// else may have changed it meanwhile.
func (form settingsForm) changed(name string) bool {
	was, known := form.Was[name]
	return !known || lines(was) != lines(form.fields()[name])
}

// shown is what the fields of a form that was sent had when it was first shown.
func (form settingsForm) shown(r *http.Request) map[string]string {
	was := map[string]string{}
	for name := range form.fields() {
		if r.PostForm.Has("was_" + name) {
			was[name] = r.PostForm.Get("was_" + name)
		}
	}
	return was
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
	form.Was = form.shown(v.r)
	in, mistakes := form.read(d, v.r.PostForm.Has("connections"))
	if len(mistakes) > 0 {
		return s.showSettings(v, d, form, v.noticeOf(&access.Refusal{Kind: access.KindInvalid, Code: "invalid", Detail: "Something that was given is not right.", Mistakes: mistakes}))
	}
	if _, _, err := s.domains.Put(v.r.Context(), v.who, d.Name, in); err != nil {
		n, err := v.noticeOr(v.W.inSizes(err))
		if err != nil {
			return err
		}
		return s.showSettings(v, d, form, n)
	}
	return v.seeOther(doneAt(domainPath(d.Name, "settings"), "settings", 0))
}

// inSizes says the bounds of octets as sizes: they are entered in megabytes.
func (w *words) inSizes(err error) error {
	ref := request.RefusalOf(err)
	for i := range ref.Mistakes {
		m := &ref.Mistakes[i]
		lowest, ok := m.Args["lowest"].(uint64)
		highest, both := m.Args["highest"].(uint64)
		if ok && both && strings.Contains(m.Field, "bytes") {
			m.Args = access.Args("lowest", w.Size(lowest), "highest", w.Size(highest))
		}
	}
	return ref
}

// read makes rules of what was entered; what wasn't changed stays as the domain has it.
func (form settingsForm) read(d *admin.DomainView, withLimits bool) (in admin.DomainInput, mistakes []access.Mistake) {
	folders := d.Folders
	if form.changed("skip") {
		folders.Skip = nil
		for line := range strings.Lines(form.Skip) {
			if line = strings.TrimSpace(line); line != "" {
				folders.Skip = append(folders.Skip, line)
			}
		}
	}
	if form.changed("rename") {
		folders.Rename, mistakes = form.readRenames()
	}
	if form.changed("copy_views") {
		folders.CopyViews = form.CopyViews
	}
	if form.changed("copy_shared") {
		folders.CopyShared = form.CopyShared
	}
	if slices.ContainsFunc([]string{"skip", "rename", "copy_views", "copy_shared"}, form.changed) {
		in.Folders = &folders
	}
	if form.changed("way_back") {
		in.WayBack = &form.WayBack
	}
	if withLimits {
		limits := d.Limits
		mistakes = append(mistakes, form.readLimits(&limits)...)
		in.Limits = &limits
	}
	return in, mistakes
}

// readRenames reads the folders that get another name.
func (form settingsForm) readRenames() (renamed map[string]string, mistakes []access.Mistake) {
	renamed = map[string]string{}
	for line := range strings.Lines(form.Rename) {
		old, to, ok := strings.Cut(line, renames)
		old, to = strings.TrimSpace(old), strings.TrimSpace(to)
		was, twice := renamed[old]
		switch {
		case strings.TrimSpace(line) == "":
		case !ok:
			mistakes = append(mistakes, access.WrongField("rename", "rename_malformed", "A line is not like this: Old name => New name"))
		case twice && was != to:
			m := access.WrongField("rename", "rename_twice", "The folder %q gets two new names.", old)
			m.Args = access.Args("folder", old)
			mistakes = append(mistakes, m)
		default:
			renamed[old] = to
		}
	}
	return renamed, mistakes
}

// readLimits reads the limits that somebody has changed.
func (form settingsForm) readLimits(l *admin.LimitRules) (mistakes []access.Mistake) {
	to := map[string]func(n *uint64){
		"messages_per_second": func(n *uint64) { l.MessagesPerSecond = orZero(n) }, "bytes_per_second": func(n *uint64) { l.BytesPerSecond = orZero(n) },
		"connections": func(n *uint64) { l.Connections = n }, "old_bytes_per_day": func(n *uint64) { l.OldBytesPerDay = n }, "new_bytes_per_day": func(n *uint64) { l.NewBytesPerDay = n },
	}
	for _, field := range form.Limits {
		if !form.changed(field.Name) {
			continue
		}
		unit := 1.0
		if strings.Contains(field.Name, "bytes") {
			unit = megabyte
		}
		n, ok := readLimit(field.Value, unit)
		if !ok {
			mistakes = append(mistakes, access.WrongField(field.Name, "not_a_number", "This is not a number."))
			continue
		}
		to[field.Name](n)
	}
	return mistakes
}

// readLimit reads a limit that was entered; nil for none. No part of it is lost: half a message a second is not none, which
// would be no limit at all, and nobody knows whether a comma before three digits separates thousands.
func readLimit(entered string, unit float64) (n *uint64, ok bool) {
	text := strings.ReplaceAll(strings.TrimSpace(entered), ",", ".")
	if text == "" {
		return nil, true
	}
	if _, behind, _ := strings.Cut(entered, ","); len(strings.TrimSpace(behind)) == 3 {
		return nil, false
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x >= 0 && x < 1e12) || unit == 1 && x != math.Trunc(x) {
		return nil, false
	}
	return new(uint64(math.Ceil(x * unit))), true
}

func orZero(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}
