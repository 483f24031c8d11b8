package directory

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// Google's directory and what it takes to read it (developers.google.com: "Directory API:
// users.list").
const (
	GoogleURL = "https://admin.googleapis.com/admin/directory/v1"
	// GoogleScope is what a token is asked for with, in the name of an administrator.
	GoogleScope = "https://www.googleapis.com/auth/admin.directory.user.readonly"
	// GoogleAPI is what has to be switched on in the project.
	GoogleAPI = "Admin SDK API"

	googlePage = 500
)

// Google lists the mailboxes of a Workspace.
type Google struct {
	Client *http.Client // adds a token that acts for an administrator
	URL    string       // "" for GoogleURL
	Domain string       // "" for all domains of the customer
	bounds bounds       // zero for the usual ones
}

// googleUser is a user as the directory tells.
type googleUser struct {
	Address string `json:"primaryEmail"`
	Name    struct {
		Full string `json:"fullName"`
	} `json:"name"`
	Aliases   []string `json:"aliases"`
	Others    []string `json:"nonEditableAliases"`
	Suspended bool     `json:"suspended"`
	Archived  bool     `json:"archived"`
	Mail      bool     `json:"isMailboxSetup"`
}

// List fetches all mailboxes, by their addresses.
func (g Google) List(ctx context.Context) ([]Mailbox, error) {
	a, err := newAsker(g.Client, g.URL, GoogleURL, GoogleScope)
	if err != nil {
		return nil, err
	}
	a.bounds = g.bounds.orUsual()
	query := url.Values{"maxResults": {strconv.Itoa(googlePage)}, "orderBy": {"email"}, "projection": {"full"}}
	if g.Domain != "" {
		query.Set("domain", g.Domain)
	} else {
		query.Set("customer", "my_customer")
	}
	var all []Mailbox
	seen := map[string]bool{} // a user who changes while the list is read may be on two pages
	for page := 0; ; page++ {
		var answer struct {
			Users []googleUser `json:"users"`
			Next  string       `json:"nextPageToken"`
			Error *struct{}    `json:"error"`
		}
		if err := a.get(ctx, a.base.String()+"/users?"+query.Encode(), &answer, googleRefusal); err != nil {
			return nil, err
		}
		if answer.Error != nil {
			return nil, &Error{Reason: Answer, Cause: "there is an error in it"}
		}
		for _, u := range answer.Users {
			if isAddress(u.Address) && first(seen, u.Address) {
				all = append(all, u.mailbox())
			}
		}
		if len(all) > a.bounds.mailboxes || page == a.bounds.pages {
			return nil, &Error{Reason: TooMany}
		}
		if answer.Next == "" {
			break
		}
		query.Set("pageToken", answer.Next)
	}
	sorted(all)
	return all, nil
}

// mailbox is what a user has. What Google shares are groups, which have no mailbox.
func (u googleUser) mailbox() Mailbox {
	return clean(Mailbox{Address: u.Address, Name: u.Name.Full, Kind: User, Mail: u.Mail, Licensed: u.Mail && !u.Archived,
		Suspended: u.Suspended || u.Archived, Aliases: append(u.Aliases, u.Others...)})
}

// googleRefusal says what a refusal means.
func googleRefusal(status int, body []byte) *Error {
	e := &Error{Reason: Answer, Cause: said(status, body)}
	switch reason := googleReason(body); {
	case slices.Contains([]string{"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded", "RATE_LIMIT_EXCEEDED"}, reason):
		e.Reason = Throttled
	case reason == "accessNotConfigured", reason == "SERVICE_DISABLED":
		e.Reason, e.Set = APIOff, GoogleAPI
	case reason == "insufficientPermissions", reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT", status == http.StatusUnauthorized:
		e.Reason, e.Set = Token, GoogleScope
	case status == http.StatusForbidden:
		e.Reason, e.Set = NotAdmin, "admin"
	}
	return e
}

// googleReason is the word for why something is refused, of the older kind or the newer (google.rpc.ErrorInfo); "" for none.
func googleReason(body []byte) string {
	type reasons []struct {
		Reason string `json:"reason"`
	}
	var answer struct {
		Error struct {
			Errors  reasons `json:"errors"`
			Details reasons `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	for _, r := range append(answer.Error.Errors, answer.Error.Details...) {
		if r.Reason != "" {
			return r.Reason
		}
	}
	return ""
}
