package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
)

// DomainInput is a domain as a person or a program gives it. What is absent stays
// as it is; of a domain that is not set up yet, it is what is said of each.
type DomainInput struct {
	Old            *string `json:"old,omitempty"`             // URL: imaps://HOST[:PORT], ...
	New            *string `json:"new,omitempty"`             // "" as if absent: that of the domain, or the default new server
	OldFingerprint *string `json:"old_fingerprint,omitempty"` // "" for none, as if absent
	NewFingerprint *string `json:"new_fingerprint,omitempty"` // "" for none, as if absent
	OldCA          *string `json:"old_ca,omitempty"`          // PEM; "" for the system's authorities, as if absent
	NewCA          *string `json:"new_ca,omitempty"`          // PEM; "" for the system's authorities, as if absent
	Enrol          *bool   `json:"enrol,omitempty"`           // false if absent
	// OldPublicOnly says whether the old server is to be connected to with TLS only, at
	// public addresses and ports of mail; if absent, where an administrator of one
	// domain has chosen it.
	OldPublicOnly *bool `json:"old_public_only,omitempty"`
	// OldTLS is the oldest TLS that is accepted of the old server: "1.2", or "1.0" for one that has
	// nothing better; "" as if absent.
	OldTLS *string `json:"old_tls,omitempty"`
	// Folders and Limits are given whole.
	Folders *FolderRules `json:"folders,omitempty"`
	Limits  *LimitRules  `json:"limits,omitempty"` // for who looks after everything
	// WayBack says whether mail that arrives at the new server after the MX has moved is copied back to the old one.
	WayBack *bool `json:"way_back,omitempty"`
	// AcceptSwapped says that old and new server are right though the MX leads to the new one and nothing has been copied yet.
	AcceptSwapped bool `json:"accept_swapped,omitempty"`
	// Recipients are given whole, without those of the configuration; for who looks after everything.
	Recipients *[]RecipientInput `json:"recipients,omitempty"`
}

// Put sets a domain up, or changes its servers. One at a time, and not while
// accounts are added: what is allowed depends on whether there are any.
func (a *Domains) Put(ctx context.Context, who access.Actor, name string, in DomainInput) (v *DomainView, created bool, err error) {
	name, err = config.ParseDomainName(strings.TrimSpace(name))
	if err != nil {
		return nil, false, access.Invalid(access.WrongField("name", "domain_malformed", "This is not the name of a domain."))
	}
	if !who.May(name) {
		return nil, false, access.NotFound("domain")
	}
	if err := a.refuseMistaken(ctx, who, name, in); err != nil {
		return nil, false, err
	}
	if err := a.adding.Acquire(ctx, 1); err != nil {
		return nil, false, err
	}
	defer a.adding.Release(1)
	_, known := a.directory.DomainNamed(name)
	stored, err := storedDomain(ctx, a.store, name)
	if err != nil {
		return nil, false, err
	}
	if known && stored == nil {
		return nil, false, errDomainFixed()
	}
	if err := a.change(ctx, who, name, stored, in); err != nil {
		return nil, false, err
	}
	v, err = a.Show(ctx, who, name)
	return v, stored == nil, err
}

// change makes a domain (nil if there is none yet) what was given for it.
func (a *Domains) change(ctx context.Context, who access.Actor, name string, stored *store.Domain, in DomainInput) error {
	was := store.Domain{Name: name, New: a.defaultNew(), Created: time.Now()}
	if stored != nil {
		was = *stored
	}
	d, mistakes := readDomain(who, was, in)
	if in.Recipients != nil && who.All() {
		told, wrong := a.told.read(was.Recipients, *in.Recipients)
		d.Recipients, mistakes = told, append(mistakes, wrong...)
	}
	if len(mistakes) > 0 {
		return access.Invalid(mistakes...)
	}
	if in.Recipients != nil && !who.All() {
		return errRecipientsFixed()
	}
	if err := checkScope(who, was, d); err != nil {
		return err
	}
	if err := a.checkSignedIn(who, was, d); err != nil {
		return err
	}
	if err := a.checkNewServer(ctx, stored, d); err != nil {
		return err
	}
	if err := a.keep(ctx, d, !who.All() && !sameOld(was, d)); err != nil {
		return err
	}
	return a.audit.Note(ctx, who, "put_domain", access.About{Domain: name, Detail: changesOf(stored, d)})
}

// defaultNew is the new server of domains that are given none; "" if there is none.
func (a *Domains) defaultNew() string {
	if s, err := config.ParseServer(a.newServer); err == nil {
		return s.String()
	}
	return ""
}

// sameOld reports that passwords go to the same old server as before, which is
// recognised in the same way, and that they are protected no worse on the way.
func sameOld(was, d store.Domain) bool {
	return was.Old == d.Old && was.OldSetBy == d.OldSetBy && was.OldCA == d.OldCA && bytes.Equal(was.OldFingerprint, d.OldFingerprint) && (was.OldTLS10 || !d.OldTLS10)
}

// checkScope refuses what is not for those who look after one domain only: the new
// server, and whatever would bring them passwords or mail of others. The old server may be
// theirs, so it stays once there are accounts, which have passwords, and while people
// who log in are tried there; and they have no mail of the new server brought to it.
func checkScope(who access.Actor, was, d store.Domain) error {
	refuse := func(code, detail string) error {
		return &access.Refusal{Kind: access.KindForbidden, Code: code, Detail: detail}
	}
	server, err := config.ParseServer(d.Old)
	switch {
	case who.All():
		return nil
	case err != nil:
		return err
	case was.New != d.New || was.NewCA != d.NewCA || !bytes.Equal(was.NewFingerprint, d.NewFingerprint):
		return refuse("new_server_fixed", "The new server is your provider's choice.")
	case !reflect.DeepEqual(limitsOf(was.Rules), limitsOf(d.Rules)):
		return refuse("limits_fixed", "How fast mail is copied is your provider's choice.")
	case !was.Enrol && d.Enrol:
		return refuse("enrol_fixed", "Only an administrator of all domains can let people enrol themselves: their passwords are tried at the old server.")
	case !was.Rules.WayBack && d.Rules.WayBack:
		return refuse("way_back_fixed", "Only an administrator of all domains can have new mail copied back: whoever has a password at the old server then reads it there.")
	case sameOld(was, d):
		return nil
	case was.Rules.WayBack:
		return refuse("old_server_way_back", "New mail is copied back to the old server. Only an administrator of all domains can change it now.")
	case was.Enrol:
		return refuse("old_server_enrol", "People may enrol themselves, so the passwords of whoever logs in are tried at the old server. Only an administrator of all domains can change it now.")
	case d.OldSetBy == store.SetByAll && (was.OldSetBy != store.SetByAll || was.Old != d.Old):
		return access.Forbidden()
	case server.Security == config.Insecure:
		return refuse("old_server_insecure", "Only an administrator of all domains can choose an old server without TLS.")
	}
	return nil
}

// checkSignedIn refuses another old server to those who look after one domain only, as long as Postferry signs in there
// with what they don't know: an application's token opens all mailboxes of a tenant, and would be sent to that server.
func (a *Domains) checkSignedIn(who access.Actor, was, d store.Domain) error {
	known, ok := a.directory.DomainNamed(d.Name)
	if who.All() || !ok || known.Old.SignIn == nil || sameOld(was, d) {
		return nil
	}
	return &access.Refusal{Kind: access.KindForbidden, Code: "old_server_signed_in",
		Detail: "Postferry signs in at the old server with more than passwords of this domain. Only an administrator of all domains can change it now."}
}

// checkNewServer refuses another new server once mail was copied: what is not there
// would pass for deleted by its user, and never be copied again.
func (a *Domains) checkNewServer(ctx context.Context, was *store.Domain, d store.Domain) error {
	if was == nil || was.New == d.New {
		return nil
	}
	b, err := a.boards.Fresh(ctx, d.Name)
	if err != nil || b.Totals.Copied == 0 {
		return err
	}
	return access.Conflict("new_server_in_use", "Mail of this domain was copied to the present new server already. What is not on another one would pass for deleted, so the new server stays.")
}

// readDomain reads what was given for a domain, and leaves the rest as it was.
func readDomain(who access.Actor, was store.Domain, in DomainInput) (d store.Domain, mistakes []access.Mistake) {
	d = was
	var err error
	if in.New != nil && *in.New == "" {
		in.New = nil
	}
	for _, side := range []struct {
		field            string
		url, fingerprint *string // as given
		ca               *string
		toURL            *string
		toFingerprint    *[]byte
		toCA             *string
	}{{"old", in.Old, in.OldFingerprint, in.OldCA, &d.Old, &d.OldFingerprint, &d.OldCA}, {"new", in.New, in.NewFingerprint, in.NewCA, &d.New, &d.NewFingerprint, &d.NewCA}} {
		mistakes = append(mistakes, readServer(side.field, side.url, side.toURL)...)
		if side.fingerprint != nil {
			sum, err := config.ParseFingerprint(strings.TrimSpace(*side.fingerprint))
			if err != nil {
				mistakes = append(mistakes, access.WrongField(side.field+"_fingerprint", "fingerprint_malformed", "This is not a SHA-256 fingerprint: 64 hexadecimal digits are expected."))
			}
			*side.toFingerprint = sum
		}
		if side.ca != nil {
			text, err := config.ParseAuthorities(*side.ca)
			if err != nil {
				m := access.WrongField(side.field+"_ca", "authorities_malformed", "These are no certificates of authorities in PEM form: %s.", err)
				mistakes = append(mistakes, m)
			}
			*side.toCA = text
		}
	}
	if in.Enrol != nil {
		d.Enrol = *in.Enrol
	}
	if in.OldTLS != nil && *in.OldTLS != "" {
		if d.OldTLS10, err = config.ParseOldTLS(*in.OldTLS); err != nil {
			mistakes = append(mistakes, access.WrongField("old_tls", "old_tls_malformed", "Expected \"1.0\" (old encryption is accepted, too) or \"1.2\"."))
		}
	}
	mistakes = append(mistakes, readRules(&d.Rules, in)...)
	d.OldSetBy = setterOf(who, was, d, in.OldPublicOnly)
	mistakes = append(append(mistakes, checkPins(was, d)...), checkOldTLS(was, d)...)
	return d, append(mistakes, checkWayBack(d)...)
}

// readServer reads the URL of a domain's server; nil leaves it as it is.
func readServer(field string, url, to *string) []access.Mistake {
	if url == nil && *to != "" {
		return nil
	}
	if url == nil || strings.TrimSpace(*url) == "" {
		return []access.Mistake{access.WrongField(field, "missing", "A server is missing.")}
	}
	server, err := config.ParseServer(strings.TrimSpace(*url))
	if err != nil {
		return []access.Mistake{access.WrongField(field, "server_malformed", "This is not the URL of a server: %s.", err)}
	}
	if field == "new" && !server.Protocol.Writable() {
		return []access.Mistake{access.WrongField(field, "server_pop3", "The new server must speak IMAP.")}
	}
	*to = server.String()
	return nil
}

// setterOf is who answers for the old server: whoever has chosen it, until somebody
// who may decides otherwise. That it is saved as it is accepts nothing.
func setterOf(who access.Actor, was, d store.Domain, publicOnly *bool) store.Setter {
	switch {
	case publicOnly != nil && *publicOnly:
		return store.SetByDomain
	case publicOnly != nil, was.Old != d.Old && who.All():
		return store.SetByAll
	case was.Old != d.Old:
		return store.SetByDomain
	}
	return was.OldSetBy
}

// checkPins refuses to make a pin one that means nothing: without TLS there is no certificate.
func checkPins(was, d store.Domain) (mistakes []access.Mistake) {
	for _, side := range []struct {
		field    string
		url, pin [2]string // before and now
	}{
		{"old_fingerprint", [2]string{was.Old, d.Old}, [2]string{string(was.OldFingerprint), string(d.OldFingerprint)}},
		{"new_fingerprint", [2]string{was.New, d.New}, [2]string{string(was.NewFingerprint), string(d.NewFingerprint)}},
	} {
		server, err := config.ParseServer(side.url[1])
		changed := side.url[0] != side.url[1] || side.pin[0] != side.pin[1]
		if err == nil && changed && side.pin[1] != "" && server.Security == config.Insecure {
			mistakes = append(mistakes, access.WrongField(side.field, "fingerprint_unprotected", "A fingerprint means nothing without TLS: take it away, or choose TLS or STARTTLS."))
		}
	}
	return mistakes
}

// checkOldTLS refuses to accept old encryption where there is none at all.
func checkOldTLS(was, d store.Domain) []access.Mistake {
	server, err := config.ParseServer(d.Old)
	if err != nil || !d.OldTLS10 || server.Security != config.Insecure || was.Old == d.Old && was.OldTLS10 {
		return nil
	}
	return []access.Mistake{access.WrongField("old_tls", "old_tls_unprotected", "Old encryption means nothing without TLS: don't accept it, or choose TLS or STARTTLS.")}
}

// checkWayBack refuses a way back to a server that takes nothing.
func checkWayBack(d store.Domain) []access.Mistake {
	server, err := config.ParseServer(d.Old)
	if err != nil || !d.Rules.WayBack || server.Protocol.Writable() {
		return nil
	}
	return []access.Mistake{access.WrongField("way_back", "way_back_pop3", "Mail can't be written to a server by %s: there is no way back to this old server.", server.Protocol.Title())}
}

// keep stores a domain and makes it known. With vacant it must have no accounts.
func (a *Domains) keep(ctx context.Context, d store.Domain, vacant bool) error {
	known, err := DomainOf(d)
	if err != nil {
		return err
	}
	put := a.store.PutDomain
	if vacant {
		put = a.store.PutVacantDomain
	}
	err = put(ctx, d)
	if vacant && errors.Is(err, store.ErrInvalid) {
		return &access.Refusal{Kind: access.KindForbidden, Code: "old_server_in_use", Cause: err,
			Detail: "This domain has accounts, whose passwords would go to another server. Only an administrator of all domains can change the old server now. If none of them was ever begun, you can also remove them, change the server, and add them again with their passwords."}
	}
	if err != nil {
		return err
	}
	a.directory.Put(known)
	a.boards.Changed(d.Name)
	return a.ferry.DomainChanged(ctx, d.Name)
}

// authoritiesText is how the audit log has certificates: by the hash of them; "" for none.
func authoritiesText(pem string) string {
	if pem == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(pem))
	return "SHA-256 " + hex.EncodeToString(sum[:8])
}

// changesOf says what was changed of a domain, nil if it is new, for the audit log.
func changesOf(stored *store.Domain, d store.Domain) string {
	was := store.Domain{}
	if stored != nil {
		was = *stored
	}
	if stored == nil {
		was.OldSetBy = store.SetByAll // worth a word only if it is not
	}
	publicOnly := func(d store.Domain) string { return strconv.FormatBool(d.OldSetBy != store.SetByAll) }
	var changes []string
	for _, f := range []struct{ name, before, now string }{
		{"old", was.Old, d.Old}, {"old_fingerprint", fingerprintText(was.OldFingerprint), fingerprintText(d.OldFingerprint)},
		{"old_ca", authoritiesText(was.OldCA), authoritiesText(d.OldCA)}, {"new_ca", authoritiesText(was.NewCA), authoritiesText(d.NewCA)},
		{"old_public_only", publicOnly(was), publicOnly(d)}, {"old_tls", TLSText(was.OldTLS10), TLSText(d.OldTLS10)},
		{"new", was.New, d.New}, {"new_fingerprint", fingerprintText(was.NewFingerprint), fingerprintText(d.NewFingerprint)},
		{"enrol", strconv.FormatBool(was.Enrol), strconv.FormatBool(d.Enrol)},
		{"way_back", strconv.FormatBool(was.Rules.WayBack), strconv.FormatBool(d.Rules.WayBack)},
		{"recipients", recipientsText(was.Recipients), recipientsText(d.Recipients)},
		{"folders", rulesText(foldersOf(was.Rules)), rulesText(foldersOf(d.Rules))}, {"limits", rulesText(limitsOf(was.Rules)), rulesText(limitsOf(d.Rules))},
	} {
		switch {
		case f.before == f.now:
		case stored == nil || f.before == "":
			changes = append(changes, f.name+": "+f.now)
		case f.now == "":
			changes = append(changes, f.name+": "+f.before+" -> none")
		default:
			changes = append(changes, f.name+": "+f.before+" -> "+f.now)
		}
	}
	return strings.Join(changes, ", ")
}
