package clouds

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// graphMost is how many users a page has at most, graphUsual without $top
// (learn.microsoft.com, "List users"); batchMost how many requests a batch has.
const (
	graphMost  = 999
	graphUsual = 100
	batchMost  = 20
)

// graphRefusal is Graph's form of an error.
func graphRefusal(w http.ResponseWriter, status int, code, text string) {
	writeJSON(w, status, graphError(code, text))
}

func graphError(code, text string) map[string]any {
	return map[string]any{"error": map[string]any{"code": code, "message": text,
		"innerError": map[string]any{"request-id": "00000000-0000-0000-0000-000000000003", "client-request-id": "00000000-0000-0000-0000-000000000003"}}}
}

// graph serves the directory.
func (m *Microsoft) graph(w http.ResponseWriter, r *http.Request, path string) {
	g, ok := m.known(bearer(r), time.Now())
	switch {
	case bearer(r) == "":
		graphRefusal(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.")
	case !ok:
		graphRefusal(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
	case g.audience != graphResource:
		graphRefusal(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
	case path == "/$batch":
		m.graphBatch(w, r, g)
	default:
		status, body := m.graphGet(g, base(r)+"/v1.0", r.Method, path, r.URL.Query())
		writeJSON(w, status, body)
	}
}

// graphGet answers one request.
func (m *Microsoft) graphGet(g grant, at, method, path string, query url.Values) (int, any) {
	denied := graphError("Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	id, isPurpose := strings.CutSuffix(strings.TrimPrefix(path, "/users/"), "/mailboxSettings/userPurpose")
	switch {
	case method != http.MethodGet:
		return http.StatusMethodNotAllowed, graphError("Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
	case path == "/users" && !g.may(RoleUsers):
		return http.StatusForbidden, denied
	case path == "/users":
		return m.graphUsers(at, query)
	case isPurpose && !g.may(RoleSettings):
		return http.StatusForbidden, graphError("ErrorAccessDenied", "Access is denied. Check credentials and try again.")
	case isPurpose:
		return m.purpose(id)
	}
	return http.StatusBadRequest, graphError("BadRequest", "Resource not found for the segment '"+path+"'.")
}

// purpose is what a mailbox is for.
func (m *Microsoft) purpose(id string) (int, any) {
	if id, err := url.PathUnescape(id); err == nil {
		for i, p := range m.People {
			if (userID(i) == id || strings.EqualFold(p.Address, id)) && !p.NoMailbox && !p.Guest {
				return http.StatusOK, map[string]any{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/mailboxSettings/userPurpose", "value": p.kind()}
			}
		}
	}
	return http.StatusNotFound, graphError("MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.")
}

// graphUsers is a page of the users.
func (m *Microsoft) graphUsers(at string, query url.Values) (int, any) {
	top := graphUsual
	for name, values := range query {
		switch value := values[0]; name {
		case "$top":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > graphMost {
				return http.StatusBadRequest, graphError("Request_UnsupportedQuery", "Invalid page size specified: '"+value+"'. Must be between 1 and 999 inclusive.")
			}
			top = n
		case "$select", "$skiptoken":
		default:
			return http.StatusBadRequest, graphError("BadRequest", "Unrecognized query option '"+name+"'.")
		}
	}
	top = min(top, cmp.Or(m.PageMost, graphMost))
	from, err := m.skip(query.Get("$skiptoken"))
	if err != nil {
		return http.StatusBadRequest, graphError("Directory_ExpiredPageToken", "The specified page token value has expired and can no longer be included in your request.")
	}
	fields := strings.Split(cmp.Or(query.Get("$select"), "displayName,id,mail,userPrincipalName"), ",")
	page := []map[string]any{}
	for i := from; i < min(from+top, len(m.People)); i++ {
		user, unknown := m.selected(i, fields)
		if unknown != "" {
			return http.StatusBadRequest, graphError("BadRequest", "Parsing OData Select and Expand failed: Could not find a property named '"+unknown+"' on type 'microsoft.graph.user'.")
		}
		page = append(page, user)
	}
	body := map[string]any{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users", "value": page}
	if next := from + top; next < len(m.People) {
		query.Set("$skiptoken", fmt.Sprintf("RFN%dz", next))
		body["@odata.nextLink"] = at + "/users?" + query.Encode()
	}
	return http.StatusOK, body
}

// skip reads the place that a page begins with.
func (m *Microsoft) skip(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(token, "RFN"), "z"))
	if err != nil || n < 0 || n > len(m.People) {
		return 0, fmt.Errorf("no page begins at %q", token)
	}
	return n, nil
}

func userID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1) }

// selected is what is asked for of a user; unknown is a property that there isn't.
func (m *Microsoft) selected(i int, fields []string) (user map[string]any, unknown string) {
	all := m.properties(i)
	user = map[string]any{}
	for _, f := range fields {
		v, ok := all[strings.TrimSpace(f)]
		if !ok {
			return nil, f
		}
		user[strings.TrimSpace(f)] = v
	}
	return user, ""
}

// properties are those of a user that the fake has.
func (m *Microsoft) properties(i int) map[string]any {
	p := m.People[i]
	upn, proxies, plans := p.Address, []string{}, []map[string]any{}
	var mail any
	if !p.NoMailbox {
		mail = p.Address
		proxies = append(proxies, "SMTP:"+p.Address)
		for _, a := range p.Aliases {
			proxies = append(proxies, "smtp:"+a)
		}
		proxies = append(proxies, "SIP:"+p.Address)
	}
	kind := "Member"
	if p.Guest {
		kind, upn = "Guest", strings.ReplaceAll(p.Address, "@", "_")+"#EXT#@"+m.Tenant+".onmicrosoft.com"
	} else if !p.Unlicensed && !p.NoMailbox && p.kind() == User {
		plans = append(plans, map[string]any{"service": "exchange", "capabilityStatus": "Enabled", "servicePlanId": "efb87545-963c-4e0d-99df-69c6916d9eb0"})
	}
	return map[string]any{"id": userID(i), "userPrincipalName": upn, "displayName": p.Name, "mail": mail, "proxyAddresses": proxies, "assignedPlans": plans,
		"accountEnabled": !p.Suspended && p.kind() == User, "userType": kind}
}

// graphBatch answers many requests at once (learn.microsoft.com, "JSON batching").
func (m *Microsoft) graphBatch(w http.ResponseWriter, r *http.Request, g grant) {
	var in struct {
		Requests []struct {
			ID     string `json:"id"`
			Method string `json:"method"`
			URL    string `json:"url"`
		} `json:"requests"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost || len(in.Requests) == 0 {
		graphRefusal(w, http.StatusBadRequest, "BadRequest", "Invalid batch payload format.")
		return
	}
	if len(in.Requests) > batchMost {
		graphRefusal(w, http.StatusBadRequest, "BadRequest", "Number of batch requests cannot exceed 20.")
		return
	}
	answers := []map[string]any{}
	for _, one := range in.Requests {
		u, err := url.Parse(one.URL)
		if err != nil {
			graphRefusal(w, http.StatusBadRequest, "BadRequest", "Invalid batch payload format.")
			return
		}
		status, body := m.graphGet(g, base(r)+"/v1.0", one.Method, u.EscapedPath(), u.Query())
		answers = append(answers, map[string]any{"id": one.ID, "status": status, "body": body})
	}
	slices.Reverse(answers) // in no particular order
	writeJSON(w, http.StatusOK, map[string]any{"responses": answers})
}
