package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/admin/runs"
	"postferry/config"
	"postferry/discover"
	"postferry/report"
	"postferry/store"

	"golang.org/x/sync/semaphore"
)

// DomainView is a domain, as pages and API show it.
type DomainView struct {
	Name string `json:"name"`
	// Fixed domains are set in the configuration file; they can't be changed here.
	Fixed    bool          `json:"fixed"`
	Old      ServerView    `json:"old"`
	New      ServerView    `json:"new"`
	Enrol    bool          `json:"enrol"`
	Created  *time.Time    `json:"created"` // nil for fixed ones
	Schedule *ScheduleView `json:"schedule"`
	Folders  FolderRules   `json:"folders"`
	Limits   LimitRules    `json:"limits"`
	WayBack  bool          `json:"way_back"` // mail that arrives at the new server is copied back to the old one
	// Effective is what counts for an account, also by what its provider allows.
	Effective EffectiveLimits `json:"effective_limits"`
	// Recipients are told how the move goes on; null for administrators of one domain.
	Recipients []RecipientView `json:"recipients"`
	// Webhooks are told likewise; null for administrators of one domain.
	Webhooks []WebhookView `json:"webhooks"`
	// Looks is how the accounts are looked at again by themselves.
	Looks  board.LooksView `json:"looks"`
	Totals board.Totals    `json:"totals"`
}

// ServerView is one of a domain's servers.
type ServerView struct {
	URL         string `json:"url"`
	Protocol    string `json:"protocol"` // imap, pop3
	Security    string `json:"security"` // tls, starttls, insecure
	Host        string `json:"host"`
	Port        int    `json:"port"`
	Fingerprint string `json:"fingerprint"` // of the one certificate that is accepted; "" to check the chain
	// CA are the certificates of the authorities that are trusted instead of the system's, in PEM form; "" for those.
	CA string `json:"ca"`
	// PublicOnly is set if it is connected to with TLS only, at public addresses and ports of mail.
	PublicOnly bool `json:"public_only"`
	// TLS is the oldest version that is accepted: 1.2, or 1.0 with encryption that can be broken.
	TLS string `json:"tls"`
	// SignIn is how Postferry signs in there: password, master, microsoft, google, consent, token_command.
	SignIn string `json:"sign_in"`
}

func ViewServer(s config.Server) ServerView {
	return ServerView{URL: s.String(), Protocol: s.Protocol.Name(), Security: string(s.Security), Host: s.Host, Port: s.Port,
		Fingerprint: fingerprintText(s.Fingerprint), CA: s.Authorities, PublicOnly: s.PublicOnly, TLS: TLSText(s.TLS10), SignIn: methodOf(s)}
}

// methodOf is how Postferry signs in at a server.
func methodOf(s config.Server) string {
	if s.SignIn == nil {
		return string(config.Passwords)
	}
	return string(s.SignIn.Method)
}

// TLSText is the oldest TLS that is accepted.
func TLSText(old bool) string {
	if old {
		return "1.0"
	}
	return "1.2"
}

func fingerprintText(sum []byte) string { return strings.ToUpper(hex.EncodeToString(sum)) }

// Domains are the domains that move, with their servers and schedules.
type Domains struct {
	consents  *Consents
	scopes    *Scopes
	directory *config.Directory
	store     domainStore
	ferry     domainFerry
	finder    *discover.Finder
	newServer string        // admin.new
	every     time.Duration // sync.interval
	told      toldBy        // who is told how moves go on
	boards    *board.Boards
	memory    *memory
	tracker   *runs.Tracker
	adding    *semaphore.Weighted
	audit     *access.Audit
}

// domainFerry is told of what changes.
type domainFerry interface {
	DomainChanged(ctx context.Context, name string) error
}

// List returns the domains that are the actor's business, by name.
func (a *Domains) List(ctx context.Context, who access.Actor) ([]DomainView, error) {
	views := []DomainView{}
	for _, d := range a.directory.All() {
		if !who.May(d.Name) {
			continue
		}
		v, err := a.view(ctx, who, &d)
		if err != nil {
			return nil, err
		}
		views = append(views, *v)
	}
	return views, nil
}

// Show returns one domain.
func (a *Domains) Show(ctx context.Context, who access.Actor, name string) (*DomainView, error) {
	d, err := a.scopes.Domain(ctx, who, name)
	if err != nil {
		return nil, err
	}
	return a.view(ctx, who, d)
}

func (a *Domains) view(ctx context.Context, who access.Actor, d *config.Domain) (*DomainView, error) {
	b, err := a.boards.Of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	rules := rulesOf(d)
	v := &DomainView{Folders: foldersOf(rules), Limits: limitsOf(rules), WayBack: d.WayBack, Effective: effective(d), Name: d.Name, Fixed: true, Old: ViewServer(d.Old), New: ViewServer(d.New), Enrol: d.Enrol, Totals: b.Totals, Looks: b.Looks(a.every),
		Recipients: a.told.view(who, d), Webhooks: a.told.webhooks(who, d)}
	stored, err := storedDomain(ctx, a.store, d.Name)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		v.Fixed, v.Created = false, report.TimeOrNil(stored.Created)
	}
	schedule, err := a.storedSchedule(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	v.viewSchedule(schedule, time.Now())
	return v, nil
}

// storedDomain finds a domain that was set up here; nil if there is none.
func storedDomain(ctx context.Context, st domainLister, name string) (*store.Domain, error) {
	all, err := st.Domains(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	return nil, nil
}

// Delete removes a domain that was set up here and has no accounts.
func (a *Domains) Delete(ctx context.Context, who access.Actor, name string) error {
	d, err := a.scopes.Domain(ctx, who, name)
	if err != nil {
		return err
	}
	if err := who.RequireAll(); err != nil {
		return err
	}
	stored, err := storedDomain(ctx, a.store, d.Name)
	if err != nil {
		return err
	}
	if stored == nil {
		return errDomainFixed()
	}
	tell, err := a.consents.parting(ctx, *d)
	if err != nil {
		return err
	}
	defer tell(context.WithoutCancel(ctx)) // last: providers may take their time, and hear only of what is gone by then
	if err := a.forget(ctx, d.Name); err != nil {
		return err
	}
	return a.audit.Note(ctx, who, "delete_domain", access.About{Domain: d.Name})
}

// DomainOf is a stored domain as the configuration knows domains. An old server that
// nobody who looks after everything answers for is connected to outside only.
func DomainOf(d store.Domain) (known config.Domain, err error) {
	known = config.Domain{Name: d.Name, Enrol: d.Enrol, Stored: true}
	if known.Old, err = config.ParseServer(d.Old); err != nil {
		return known, fmt.Errorf("its old server: %w", err)
	}
	if known.New, err = config.ParseServer(d.New); err != nil {
		return known, fmt.Errorf("its new server: %w", err)
	}
	known.Old.Fingerprint, known.New.Fingerprint = d.OldFingerprint, d.NewFingerprint
	known.Old.Authorities, known.New.Authorities = d.OldCA, d.NewCA
	applyRules(&known, d.Rules)
	for _, r := range d.Recipients {
		known.Recipients = append(known.Recipients, config.AddedRecipient(d.Name, r.To, r.Language))
	}
	for i := range d.Webhooks {
		w := &d.Webhooks[i]
		known.Recipients = append(known.Recipients, config.AddedWebhook(d.Name, w.ID, w.URL, w.Key, w.Language))
	}
	known.Old.PublicOnly, known.Old.TLS10 = d.OldSetBy != store.SetByAll, d.OldTLS10
	return known, nil
}

// forget removes a stored domain and whoever could come in for it alone, with
// all that is kept in memory of it: the next of that name may be another's.
func (a *Domains) forget(ctx context.Context, name string) error {
	err := a.store.DeleteDomain(ctx, name)
	if errors.Is(err, store.ErrInvalid) {
		return access.Conflict("domain_in_use", "This domain has accounts. Remove them first.")
	}
	if err != nil {
		return err
	}
	a.directory.Delete(name)
	a.memory.drop(name)
	return a.ferry.DomainChanged(ctx, name)
}

// NewServer is the new server of domains that are given none, as it is configured.
func (a *Domains) NewServer() string { return a.newServer }
