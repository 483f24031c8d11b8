package foldertree

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/report/reason"
	"postferry/store"
	"postferry/upstream"
)

// Tree is what one server says about an account's folders.
type Tree struct {
	Namespace upstream.Namespace
	Mailboxes []upstream.Mailbox
	ListingTrouble
}

// ListingTrouble is what is wrong with a list of folders.
type ListingTrouble struct {
	Unread  int    // further folders that were told of in a way that can't be read
	Partial bool   // the connection broke before all were told of
	Last    string // raw name of the folder told of last then
}

// FolderCreate is a folder to make on the new server.
type FolderCreate struct {
	Name string           // raw
	Use  imap.MailboxAttr // special use to give it; "" for none
}

// TreePlan is what is to be done about an account's folders. It can be
// printed, and is applied in this order: Create, Subscribe, then Folders into
// the store, those that Create was for as FolderPresent if it worked. An
// interruption before the end does no harm: planning again gives the rest.
type TreePlan struct {
	Create    []FolderCreate  // parents before children; each has its row in Folders
	Subscribe []string        // raw names on the new server
	Folders   []store.Folder  // rows that are new (ID 0), changed, or whose folder is to be created
	Notes     []reason.Reason // for the report: what was renamed or left out, and why
	// Rowless are folders of the old server that get no row, as there are too many of
	// them, and why they are left alone. Omitted of them nobody has decided about.
	Rowless      map[string]reason.Reason
	Omitted      int
	FirstOmitted string // title of one of them
}

// Wishes are what the configuration wants for an account's folders.
type Wishes struct {
	config.Folders
	MaxFolders int // folders made at most; 0 for no bound
}

// Plan compares the two servers' folders with the rows of the store.
//
// A folder is known by its raw old name, and a row's New is the truth: clients
// rename folders on the new server. A folder that was there and is gone is missing:
// it isn't made again, and goes on when it is back. One that its user deleted
// never comes back, not even if somebody makes a new one of that name. What the old
// server no longer has is left as it is.
//
// Names: the parts below the old server's personal namespace go below the new
// one's, children below wherever their parent is now. Below a parent that its
// user deleted they keep the place they had on the old server, as their mail
// must not be lost. Children of INBOX stay below it; on a server where
// everything lies below INBOX, or nothing may, they become folders of the
// first level, which is the same place to a client or the nearest there is.
// \Noselect folders hold no mail and are not copied; the new server makes
// those it needs.
//
// The configuration has its say about names that are not given yet, and at each
// look about what is copied at all. A folder that it leaves alone keeps its row:
// what has been copied stays, and if it changes its mind, the folder goes on from
// there, unless its user has deleted it meanwhile.
//
// What a server may cost here is bounded; see treebounds.go. The error is that of ctx.
func Plan(ctx context.Context, old, new Tree, known []store.Folder, wish Wishes) (TreePlan, error) {
	p := NewPlanner(old, new, known, wish)
	var fresh []*folder
	err := each(ctx, p.mailboxes(), func(m upstream.Mailbox) {
		if f := p.sight(m); f != nil {
			fresh = append(fresh, f)
		}
	})
	if err != nil {
		return TreePlan{}, err
	}
	p.leaveLong()
	p.noteForeign()
	if err := p.nameAll(ctx, p.limit(fresh)); err != nil {
		return TreePlan{}, err
	}
	p.noteCases()
	err = each(ctx, p.folders, p.decide)
	return p.finish(), err
}

// folder is a selectable folder of the old server while it is planned.
type folder struct {
	place
	box upstream.Mailbox
	row store.Folder
	use imap.MailboxAttr // which it holds on the old server
	was *store.Folder    // its row in the store; nil if it is new
	to  string           // the name that the configuration has for it; "" for none
	all bool             // it shows all mail, of which what lies in no other folder is copied
}

// Planner gathers what is known, then the plan.
type Planner struct {
	old, new Tree
	wish     Wishes
	policy   policy
	known    map[string]*store.Folder    // by old raw name
	There    map[string]upstream.Mailbox // selectable folders of the new server, by key
	folded   map[string]string           // the same, key by lower-case key
	taken    map[string]string           // new keys that belong to an old raw name
	named    map[string]int              // how many rows have a new key, deleted folders left out
	names    map[string]string           // old raw name -> new raw name
	oldUses  map[string]imap.MailboxAttr // by old raw name
	newUses  map[imap.MailboxAttr]string // new raw name
	Trusted  bool                        // the new server's list is complete enough to see what is gone
	leftAlone
	made     int // folders that have been made, or are to be
	folders  []*folder
	archive  string          // where the old server's archive is on the new one; "" if there is none
	creating map[string]bool // new keys of the folders to be made
	plan     TreePlan
}

// leftAlone are folders that a plan leaves alone.
type leftAlone struct {
	foreign map[string]int     // in other namespaces, by prefix
	strange bool               // some of them for the first time
	rows    int                // of such folders
	long    []upstream.Mailbox // of the old server, with names that are too long
	left    int                // of one's own, for the first time
}

func NewPlanner(old, new Tree, known []store.Folder, wish Wishes) *Planner {
	p := &Planner{
		old: old, new: new, wish: wish, policy: newPolicy(wish.Folders, old.Namespace),
		known:     make(map[string]*store.Folder),
		There:     make(map[string]upstream.Mailbox),
		folded:    make(map[string]string),
		taken:     make(map[string]string),
		named:     make(map[string]int),
		names:     make(map[string]string),
		oldUses:   make(map[string]imap.MailboxAttr),
		newUses:   holders(new),
		leftAlone: leftAlone{foreign: make(map[string]int)},
		creating:  make(map[string]bool),
		plan:      TreePlan{Rowless: make(map[string]reason.Reason)},
	}
	p.old.Mailboxes, p.long = withinBounds(old.Mailboxes)
	for _, m := range new.Mailboxes {
		if Selectable(m) {
			key := p.Key(m.Name)
			p.There[key] = m
			p.folded[strings.ToLower(key)] = key
		}
	}
	_, p.Trusted = p.There[InboxName]
	p.Trusted = p.Trusted && new.Unread == 0 && !new.Partial
	for use, name := range holders(p.old) {
		p.oldUses[name] = use
	}
	p.taken[InboxName] = InboxName
	for i := range known {
		p.remember(&known[i])
	}
	return p
}

// remember takes a row of the store into account. A deleted or missing folder keeps
// its name, so that nothing else is created there, unless its user has given the
// name to another one since.
func (p *Planner) remember(row *store.Folder) {
	p.known[row.Old] = row
	if row.New != "" && row.Old != InboxName {
		p.made++
	}
	key := p.Key(p.NewName(row))
	if row.State != store.FolderDeleted {
		p.named[key]++
	}
	switch {
	case row.AllMail && row.State != store.FolderDeleted: // its name may be another's
	case row.State == store.FolderPlanned && row.New == "":
	case HoldsName(row):
		p.taken[key], p.names[row.Old] = row.Old, p.NewName(row)
	case row.State == store.FolderDeleted, row.State == store.FolderMissing:
		if p.taken[key] == "" {
			p.taken[key] = row.Old
		}
		if row.State == store.FolderMissing {
			p.names[row.Old] = p.NewName(row)
		}
	}
}

// NewName is what a folder is called on the new server: if clients were about to
// rename it and we heard no more of that, what is there tells what became of it.
func (p *Planner) NewName(row *store.Folder) string {
	names := possibleNames(row)
	if _, ok := p.There[p.Key(row.New)]; ok || !p.Trusted {
		return row.New
	}
	for _, name := range slices.Backward(names[1:]) {
		if _, ok := p.There[p.Key(name)]; ok {
			return name
		}
	}
	return row.New
}

// IsHalted tells whether a folder is left alone now, but was copied before.
func IsHalted(row *store.Folder) bool {
	return row.State == store.FolderSkipped && row.New != ""
}

// Key makes names on the new server comparable: decoded, in NFC, INBOX in
// upper case.
func (p *Planner) Key(raw string) string { return CanonicalInbox(DecodeName(raw)) }

// mailboxes returns the old server's folders that hold mail, each once, in a
// stable order.
func (p *Planner) mailboxes() []upstream.Mailbox {
	var list []upstream.Mailbox
	for _, m := range p.old.Mailboxes {
		m.Name = CanonicalName(m.Name)
		if Selectable(m) {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b upstream.Mailbox) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b upstream.Mailbox) bool { return a.Name == b.Name })
}

// maxForeign is how many folders of others' namespaces have rows, so that
// status can name them: a public namespace may have thousands, and every account
// sees them.
const maxForeign = 100

// sight enters a folder of the old server. It returns the folder if it needs a
// name on the new one.
func (p *Planner) sight(m upstream.Mailbox) *folder {
	where, prefix, personal := Locate(m.Name, m.Delim, p.old.Namespace)
	if !personal {
		where = Split(m.Name, "", m.Delim)
	}
	f := &folder{place: where, box: m, was: p.known[m.Name], use: p.oldUses[m.Name]}
	f.to = p.policy.mapped(where, len(where.parts)-1)
	f.all = p.policy.archives(f, personal)
	if why := p.policy.leaves(f, prefix, personal); why != "" {
		p.leave(f, why, prefix, personal)
		return nil
	}
	p.folders = append(p.folders, f)
	if p.added(f) || p.renamed(f) {
		if f.was != nil {
			f.row = *f.was
		}
		f.row.Old, f.row.Title, f.row.Note, f.row.AllMail = m.Name, where.Title(), "", f.all
		return f
	}
	f.row = *f.was
	if name := p.NewName(f.was); name != f.row.New {
		f.row.New, f.row.Renaming = name, ""
		p.note(reason.NoteRenamed, f.row.Title, p.title(name))
	}
	if IsHalted(f.was) {
		f.row.State = store.FolderPresent
	}
	f.row.Note = p.otherwise(f)
	return nil
}

// renamed: the folder was to be made under another name than the configuration
// has for it now. The new server may have refused that one.
func (p *Planner) renamed(f *folder) bool {
	return f.to != "" && !f.all && f.was.State == store.FolderPlanned && f.was.New != p.rawName(f.to)
}

// otherwise says of a folder that it isn't called as the configuration wants
// it, "" if it is.
func (p *Planner) otherwise(f *folder) reason.Reason {
	if f.to == "" || f.all || f.row.State == store.FolderDeleted || f.row.State == store.FolderMissing || p.Key(f.row.New) == p.Key(p.rawName(f.to)) {
		return ""
	}
	note := reason.Of(reason.NotMapped, f.to)
	if f.was == nil || note != f.was.Note {
		p.note(reason.NoteNotMapped, f.Title(), p.title(f.row.New), f.to)
	}
	return note
}

// leave leaves a folder alone, with a row so that status can say so.
func (p *Planner) leave(f *folder, why reason.Reason, prefix string, personal bool) {
	first := f.was == nil || f.was.State != store.FolderSkipped
	if !personal {
		p.foreign[prefix]++
		if p.rows++; f.was == nil && p.rows > maxForeign {
			p.plan.Rowless[f.box.Name] = why
			return
		}
		p.strange = p.strange || f.was == nil
	} else if p.crowded(f) {
		p.plan.Rowless[f.box.Name] = why
		return
	}
	row := store.Folder{Old: f.box.Name, Title: f.Title()}
	if f.was != nil {
		row = *f.was
	}
	if row.State == store.FolderDeleted || row.State == store.FolderMissing && p.named[p.Key(row.New)] > 1 {
		return // a missing one whose name is another folder's by now has none to go on with
	}
	if row.State == store.FolderPlanned {
		row.New = "" // there is nothing of it on the new server
	}
	row.State, row.Subscribed, row.Note = store.FolderSkipped, f.box.Subscribed, why
	if f.was == nil || row != *f.was {
		p.plan.Folders = append(p.plan.Folders, row)
	}
	switch {
	case !first || !personal && f.was == nil:
	case row.New != "":
		p.note(reason.NoteLeftLater, row.Title, why)
	case ViewAttr(f.box) != "" && p.policy.skips(f.place) == "":
		p.note(reason.NoteLeftView, row.Title, why)
	default:
		p.note(reason.NoteLeft, row.Title, why)
	}
}

// noteForeign tells, when there is something new, what lies in namespaces of others.
func (p *Planner) noteForeign() {
	if !p.strange {
		return
	}
	for _, prefix := range sortedKeys(p.foreign) {
		p.note(reason.NoteShared, DecodeName(prefix), p.foreign[prefix])
	}
}

// decide says what becomes of a folder that has its name.
func (p *Planner) decide(f *folder) {
	box, exact := p.There[p.Key(f.row.New)]
	add := p.added(f)
	subscribe := f.box.Subscribed && !box.Subscribed &&
		(add || f.row.State == store.FolderPlanned || !f.row.Subscribed)
	f.row.Subscribed = f.box.Subscribed
	f.row.State = p.nextState(f, exact || p.spelledOtherwise(f), add)
	switch {
	case f.row.State == store.FolderDeleted, f.row.State == store.FolderMissing:
		f.row.Note = ""
	case !add && f.was.State == store.FolderMissing: // found again
		f.row.Note = p.otherwise(f)
	}
	create := f.row.State == store.FolderPlanned
	if key := p.Key(f.row.New); create && !p.creating[key] { // one with all mail may share it
		p.creating[key] = true
		p.plan.Create = append(p.plan.Create, FolderCreate{Name: f.row.New, Use: p.createUse(f)})
	}
	if subscribe && (create || f.row.State == store.FolderPresent && (exact || f.row.Old == InboxName)) {
		name := f.row.New
		if !create && exact {
			name = box.Name // a folder that was made again may be spelled in another way
		}
		p.plan.Subscribe = append(p.plan.Subscribe, name)
	}
	if create || add || f.row != *f.was {
		p.plan.Folders = append(p.plan.Folders, f.row)
	}
}

// nextState is the folder's state after the plan, but that folders to be
// created are FolderPlanned.
func (p *Planner) nextState(f *folder, exists, add bool) store.FolderState {
	switch {
	case f.row.Old == InboxName:
		return store.FolderPresent
	case f.row.State == store.FolderDeleted:
		if exists && p.taken[p.Key(f.row.New)] == f.row.Old {
			p.note(reason.NoteMadeAgain, f.row.Title)
		}
		return store.FolderDeleted
	case f.row.State == store.FolderMissing:
		if exists && (f.all || p.taken[p.Key(f.row.New)] == f.row.Old) {
			p.note(reason.NoteFound, f.row.Title)
			return store.FolderPresent
		}
		return store.FolderMissing
	case exists:
		return store.FolderPresent
	case add || f.row.State == store.FolderPlanned:
		return store.FolderPlanned
	case !p.Trusted:
		p.note(reason.NoteNoInbox, f.row.Title)
		return f.row.State
	}
	p.note(reason.NoteGone, f.row.Title)
	return store.FolderMissing
}

// spelledOtherwise: a server that ignores case lists a folder as it was first
// spelled. To take such a folder for deleted would lose mail.
func (p *Planner) spelledOtherwise(f *folder) bool {
	key, ok := p.folded[strings.ToLower(p.Key(f.row.New))]
	switch {
	case !ok || f.was == nil:
		return false
	case f.was.State == store.FolderMissing:
		return p.taken[key] == "" || p.taken[key] == f.row.Old
	}
	return f.was.State == store.FolderPresent || IsHalted(f.was)
}

// createUse is the special use to create a folder with.
func (p *Planner) createUse(f *folder) imap.MailboxAttr {
	if f.all && p.newUses[imap.MailboxAttrArchive] == "" {
		return imap.MailboxAttrArchive
	}
	if f.use == "" || p.newUses[f.use] != "" {
		return ""
	}
	return f.use
}

// noteCases tells of new folders that a server which ignores case would take
// for another.
func (p *Planner) noteCases() {
	first := maps.Clone(p.folded)
	for _, f := range p.folders {
		key := p.Key(f.row.New)
		other, ok := first[strings.ToLower(key)]
		if !ok {
			first[strings.ToLower(key)] = key
		} else if other != key && p.added(f) {
			p.note(reason.NoteCase, key, other)
		}
	}
}

// added: the folder has no row yet, or one that only said it was skipped, or one whose
// name on the new server is another's by now.
func (p *Planner) added(f *folder) bool {
	return f.was == nil || f.was.New == "" && (f.was.State == store.FolderSkipped || f.was.State == store.FolderPlanned)
}

// note notes something about a folder.
func (p *Planner) note(code reason.Code, folder string, values ...any) {
	p.plan.Notes = append(p.plan.Notes, reason.Of(code, append([]any{folder}, values...)...))
}

// finish puts the plan in order. A parent's name is the beginning of its
// children's and so comes first.
func (p *Planner) finish() TreePlan {
	slices.SortFunc(p.plan.Create, func(a, b FolderCreate) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(p.plan.Subscribe)
	p.plan.Subscribe = slices.Compact(p.plan.Subscribe) // an archive may be two rows'
	slices.SortFunc(p.plan.Folders, func(a, b store.Folder) int {
		if ai, bi := a.Old == InboxName, b.Old == InboxName; ai != bi {
			if ai {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Old, b.Old)
	})
	return p.plan
}

// Asked takes over what STATUS told of a folder.
func (s *Tree) Asked(hidden map[string]upstream.Mailbox, name string, st upstream.Status, told bool, all map[string]upstream.Status) {
	box, isHidden := hidden[name]
	if isHidden && (told || name == InboxName) {
		s.add(box)
	}
	// Of one that is listed but whose STATUS is refused nothing is known: it
	// must be opened to see why.
	if told || !isHidden || name == InboxName {
		all[name] = st
	}
}

// add puts a folder among the others, in place of one of its name.
func (s *Tree) add(m upstream.Mailbox) {
	s.Mailboxes = slices.DeleteFunc(slices.Clone(s.Mailboxes), func(b upstream.Mailbox) bool { return CanonicalName(b.Name) == m.Name })
	s.Mailboxes = append(s.Mailboxes, m)
}
