package directory

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Microsoft's directory and what it takes to read it (learn.microsoft.com: "List users",
// "user resource type", "userPurpose").
const (
	GraphURL = "https://graph.microsoft.com/v1.0"
	// GraphScope is what an application's token is asked for with.
	GraphScope = "https://graph.microsoft.com/.default"
	// GraphUsers is the permission that lists users; GraphSettings, which may be missing, the one
	// that says what a mailbox is for.
	GraphUsers    = "User.Read.All"
	GraphSettings = "MailboxSettings.Read"

	graphFields = "id,displayName,userPrincipalName,mail,proxyAddresses,accountEnabled,assignedPlans,userType"
	graphPage   = 999
	graphBatch  = 20
)

// Microsoft lists the mailboxes of a tenant.
type Microsoft struct {
	Client *http.Client // adds the token of an application
	URL    string       // "" for GraphURL; sovereign clouds have others
	bounds bounds       // zero for the usual ones
}

// graphUser is a user as Graph tells.
type graphUser struct {
	ID       string   `json:"id"`
	Name     string   `json:"displayName"`
	SignIn   string   `json:"userPrincipalName"`
	Mail     string   `json:"mail"`
	Proxies  []string `json:"proxyAddresses"`
	Enabled  *bool    `json:"accountEnabled"`
	UserType string   `json:"userType"`
	Plans    []struct {
		Service string `json:"service"`
		Status  string `json:"capabilityStatus"`
	} `json:"assignedPlans"`
}

// List fetches all mailboxes, by their addresses.
func (m Microsoft) List(ctx context.Context) ([]Mailbox, error) {
	a, err := newAsker(m.Client, m.URL, GraphURL, "Microsoft Graph ("+GraphScope+")")
	if err != nil {
		return nil, err
	}
	a.bounds = m.bounds.orUsual()
	var all []Mailbox
	seen := map[string]bool{}   // a user who changes while the list is read may be on two pages
	unclear := map[string]int{} // users whose mailbox may be a shared one, by id, with their place in all
	at := a.base.String() + "/users?" + url.Values{"$select": {graphFields}, "$top": {strconv.Itoa(graphPage)}}.Encode()
	for page := 0; at != ""; page++ {
		var answer struct {
			Value []graphUser `json:"value"`
			Next  string      `json:"@odata.nextLink"`
		}
		if err := a.get(ctx, at, &answer, graphRefusal(a, GraphUsers)); err != nil {
			return nil, err
		}
		if answer.Value == nil {
			return nil, &Error{Reason: Answer, Cause: "there is no list in it"}
		}
		for _, u := range answer.Value {
			if box, ok := u.mailbox(); ok && first(seen, box.Address) {
				if box.Guessed {
					unclear[u.ID] = len(all)
				}
				all = append(all, box)
			}
		}
		if len(all) > a.bounds.mailboxes || page == a.bounds.pages {
			return nil, &Error{Reason: TooMany}
		}
		if at = answer.Next; at != "" {
			if at, err = a.next(at); err != nil {
				return nil, err
			}
		}
	}
	if err := m.clear(ctx, a, all, unclear); err != nil {
		return nil, err
	}
	sorted(all)
	return all, nil
}

// mailbox is what a user has; false for guests and those without mail. Nobody signs in to a
// shared mailbox, so where there is mail without a licence and without sign-in, it is one, or a
// room's: which of them Graph tells only elsewhere.
func (u graphUser) mailbox() (Mailbox, bool) {
	address := cmp.Or(u.Mail, u.SignIn)
	if strings.EqualFold(u.UserType, "Guest") || u.Mail == "" || !isAddress(address) {
		return Mailbox{}, false
	}
	box := Mailbox{Address: address, Name: u.Name, Kind: User, Mail: true, Licensed: u.licensed(), Suspended: u.Enabled != nil && !*u.Enabled}
	if isAddress(u.SignIn) {
		box.Aliases = append(box.Aliases, u.SignIn)
	}
	for _, p := range u.Proxies {
		if kind, alias, ok := strings.Cut(p, ":"); ok && strings.EqualFold(kind, "smtp") {
			box.Aliases = append(box.Aliases, alias)
		}
	}
	if !box.Licensed && box.Suspended {
		box.Kind, box.Guessed = Shared, true
	}
	return clean(box), true
}

// licensed: one of the plans is Exchange's, and is paid for.
func (u graphUser) licensed() bool {
	for _, p := range u.Plans {
		if strings.EqualFold(p.Service, "exchange") && (p.Status == "Enabled" || p.Status == "Warning") {
			return true
		}
	}
	return false
}

// graphRefusal says what a refusal means.
func graphRefusal(a *asker, permission string) func(int, []byte) *Error {
	return func(status int, body []byte) *Error {
		e := &Error{Reason: Answer, Cause: said(status, body)}
		switch status {
		case http.StatusUnauthorized:
			e.Reason, e.Set = Token, a.token
		case http.StatusForbidden:
			e.Reason, e.Set = Permission, permission
		}
		return e
	}
}
