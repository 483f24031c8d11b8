package clouds

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// directoryMost is how many users a page has at most, directoryUsual without maxResults
// (developers.google.com, "Directory API: users.list").
const (
	directoryMost  = 500
	directoryUsual = 100
)

// googleError is an API's form of an error.
func googleError(status int, reason, text string) map[string]any {
	return map[string]any{"error": map[string]any{"code": status, "message": text,
		"errors": []map[string]any{{"message": text, "domain": "global", "reason": reason}}}}
}

// directory lists the users.
func (g *Google) directory(w http.ResponseWriter, r *http.Request) {
	x, ok := g.known(bearer(r), g.now())
	admin, _ := personOf(g.People, x.user)
	no := func(status int, reason, text string) { writeJSON(w, status, googleError(status, reason, text)) }
	switch {
	case !ok:
		no(http.StatusUnauthorized, "authError", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.")
	case g.NoDirectory:
		no(http.StatusForbidden, "accessNotConfigured", "Admin SDK API has not been used in project 123456789012 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/admin.googleapis.com/overview?project=123456789012 then retry.")
	case !x.may(ScopeUsers):
		no(http.StatusForbidden, "insufficientPermissions", "Request had insufficient authentication scopes.")
	case !admin.Admin:
		no(http.StatusForbidden, "forbidden", "Not Authorized to access this resource/api")
	case r.Method != http.MethodGet:
		no(http.StatusMethodNotAllowed, "httpMethodNotAllowed", "Method not allowed")
	default:
		status, body := g.users(r.URL.Query())
		writeJSON(w, status, body)
	}
}

// users is a page of the users.
func (g *Google) users(query url.Values) (int, any) {
	bad := func(text string) (int, any) {
		return http.StatusBadRequest, googleError(http.StatusBadRequest, "invalid", text)
	}
	size, from := directoryUsual, 0
	for name, values := range query {
		var err error
		switch value := values[0]; name {
		case "maxResults":
			size, err = strconv.Atoi(value)
			if size < 1 || size > directoryMost {
				return bad("Invalid value '" + value + "'. Values must be within the range: [1, 500]")
			}
		case "pageToken":
			if from, err = strconv.Atoi(strings.TrimPrefix(value, "page~")); from < 1 || from > len(g.People) {
				return bad("Invalid Input: pageToken")
			}
		case "customer", "domain", "orderBy", "projection", "viewType", "showDeleted", "sortOrder":
		default:
			return bad("Invalid Input: " + name)
		}
		if err != nil {
			return bad("Invalid Input: " + name)
		}
	}
	if query.Get("customer") != "my_customer" && !strings.EqualFold(query.Get("domain"), g.Domain) {
		return bad("Bad Request")
	}
	return g.page(from, min(size, cmp.Or(g.PageMost, directoryMost)))
}

func (g *Google) page(from, size int) (int, any) {
	people := slices.SortedFunc(slices.Values(g.People), func(a, b Mailbox) int { return strings.Compare(a.Address, b.Address) })
	users := []map[string]any{}
	for i := from; i < min(from+size, len(people)); i++ {
		users = append(users, g.properties(people[i], i))
	}
	body := map[string]any{"kind": "admin#directory#users", "users": users}
	if len(users) == 0 {
		delete(body, "users") // as Google leaves out what is empty
	}
	if next := from + size; next < len(people) {
		body["nextPageToken"] = fmt.Sprintf("page~%d", next)
	}
	return http.StatusOK, body
}

// properties are those of a user that the fake has.
func (g *Google) properties(p Mailbox, i int) map[string]any {
	emails := []map[string]any{{"address": p.Address, "primary": true}}
	for _, a := range p.Aliases {
		emails = append(emails, map[string]any{"address": a})
	}
	user := map[string]any{"kind": "admin#directory#user", "id": strconv.Itoa(100000 + i), "primaryEmail": p.Address, "name": map[string]any{"fullName": p.Name},
		"isAdmin": p.Admin, "suspended": p.Suspended, "archived": false, "isMailboxSetup": !p.NoMailbox && !p.Unlicensed, "emails": emails, "customerId": "C000000", "orgUnitPath": "/"}
	if len(p.Aliases) > 0 {
		user["aliases"] = p.Aliases
	}
	return user
}
