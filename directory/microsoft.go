package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
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
		for _, u := range answer.Value {
			if box, ok := u.mailbox(); ok {
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

// purposes are Graph's words for kinds.
func purposeOf(word string) Kind {
	switch word {
	case "user":
		return User
	case "shared":
		return Shared
	case "room":
		return Room
	case "equipment":
		return Equipment
	}
	return Other
}

// clear asks what the unclear mailboxes are for. Without the permission for that the guess stays.
func (m Microsoft) clear(ctx context.Context, a *asker, all []Mailbox, unclear map[string]int) error {
	ids := make([]string, 0, len(unclear))
	for id := range unclear {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for some := range slices.Chunk(ids, graphBatch) {
		told, err := askPurposes(ctx, a, some)
		if err != nil {
			return err
		}
		if len(told) == 0 {
			return nil // not for us: the rest wouldn't be either
		}
		for id, kind := range told {
			all[unclear[id]].Kind, all[unclear[id]].Guessed = kind, false
		}
	}
	return nil
}

// askPurposes asks for several at once ("JSON batching").
func askPurposes(ctx context.Context, a *asker, ids []string) (map[string]Kind, error) {
	type request struct {
		ID     string `json:"id"`
		Method string `json:"method"`
		URL    string `json:"url"`
	}
	var in struct {
		Requests []request `json:"requests"`
	}
	for _, id := range ids {
		in.Requests = append(in.Requests, request{id, http.MethodGet, "/users/" + url.PathEscape(id) + "/mailboxSettings/userPurpose"})
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var out struct {
		Responses []struct {
			ID     string `json:"id"`
			Status int    `json:"status"`
			Body   struct {
				Value json.RawMessage `json:"value"`
			} `json:"body"`
		} `json:"responses"`
	}
	if err := a.ask(ctx, http.MethodPost, a.base.String()+"/$batch", body, &out, graphRefusal(a, GraphSettings)); err != nil {
		return nil, err
	}
	told := map[string]Kind{}
	for _, r := range out.Responses {
		var word string
		if r.Status == http.StatusOK && slices.Contains(ids, r.ID) && json.Unmarshal(r.Body.Value, &word) == nil {
			told[r.ID] = purposeOf(word)
		}
	}
	return told, nil
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
