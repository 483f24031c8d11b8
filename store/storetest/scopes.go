package storetest

import (
	"fmt"
	"testing"
	"time"

	"postferry/store"
)

// token adds a token of a scope, which a person or (parent) another token makes.
func (f *fixture) token(name, scope string, parent uint64) store.Token {
	f.t.Helper()
	added, err := f.AddToken(f.ctx(), store.Token{Name: name, Digest: store.DigestOf(store.Secret(name)), Scope: scope, Parent: parent})
	must(f.t, err)
	return added
}

// namesOf are the names of tokens.
func namesOf(tokens []store.Token) (names []string) {
	for _, t := range tokens {
		names = append(names, t.Name)
	}
	return names
}

// A token goes with the one that made it, over any number of generations, and no other does.
func testTokensGoWithTheirMaker(t *testing.T, f *fixture) {
	panel := f.token("panel", store.ScopeAll, 0)
	other := f.token("other", store.ScopeAll, 0)
	child := f.token("child", "example.com", panel.ID)
	f.token("grandchild", "example.com", child.ID)
	f.token("second child", store.ScopeAll, panel.ID)
	f.token("another's child", "example.com", other.ID)
	f.token("a person's", "example.com", 0)
	f.reopen()
	gone, err := f.DeleteToken(t.Context(), panel.ID)
	must(t, err)
	wantEqual(t, "gone", namesOf(gone), []string{"panel", "child", "second child", "grandchild"})
	left, err := f.Tokens(t.Context())
	must(t, err)
	wantEqual(t, "left", namesOf(left), []string{"other", "another's child", "a person's"})
	for _, x := range gone {
		_, err := f.Token(t.Context(), x.Digest)
		wantError(t, x.Name, err, store.ErrNotFound)
	}
	late := store.Token{Name: "late", Digest: store.DigestOf("late"), Parent: panel.ID}
	_, err = f.AddToken(t.Context(), late)
	wantError(t, "a token made by one that is gone", err, store.ErrNotFound)
}

// One domain can't take the places of others, nor can all domains those of all.
func testTokensAreBoundedByScope(t *testing.T, f *fixture) {
	made := 0
	fill := func(scope string) (n int, err error) {
		for ; err == nil && n < 2000; n++ {
			made++
			_, err = f.AddToken(t.Context(), store.Token{Name: "x", Digest: store.DigestOf(store.Secret(fmt.Sprint(made))), Scope: scope})
		}
		return n - 1, err
	}
	for _, x := range []struct {
		scope string
		want  int
	}{{"a.example", 50}, {"b.example", 50}} {
		n, err := fill(x.scope)
		wantError(t, "one too many of "+x.scope, err, store.ErrInvalid)
		wantEqual(t, "tokens of "+x.scope, n, x.want)
	}
	f.token("of all", store.ScopeAll, 0)
	tokens, err := f.Tokens(t.Context())
	must(t, err)
	_, err = f.DeleteToken(t.Context(), tokens[0].ID)
	must(t, err)
	f.token("in the place of one that went", "a.example", 0)
}

// What a domain's people and programs come in with goes with the domain.
func testDeleteDomainEndsAccess(t *testing.T, f *fixture) {
	domain := store.Domain{Name: "example.com", Old: "imaps://old.example", New: "imaps://new.example"}
	must(t, f.PutDomain(t.Context(), domain))
	for name, scope := range map[string]string{"anna": store.ScopeAll, "bert": "example.com", "carl": "sub.example.com"} {
		a := admin(name)
		a.Scope = scope
		_, err := f.PutAdmin(t.Context(), a, false)
		must(t, err)
		must(t, f.AddSession(t.Context(), session(name, name), ""))
		f.token(name, scope, 0)
	}
	waiting := account("jane@example.com")
	waiting.State = store.Waiting
	f.put(waiting)
	wantError(t, "with accounts", f.DeleteDomain(t.Context(), "example.com"), store.ErrInvalid)
	_, err := f.Session(t.Context(), store.DigestOf("bert"))
	must(t, err)
	must(t, f.RemoveAccounts(t.Context(), []store.AccountID{1}))

	must(t, f.DeleteDomain(t.Context(), "example.com"))
	f.reopen()
	for name, want := range map[string]error{"anna": nil, "bert": store.ErrNotFound, "carl": nil} {
		_, err := f.Admin(t.Context(), name)
		wantError(t, "administrator "+name, err, want)
		_, err = f.Session(t.Context(), store.DigestOf(store.Secret(name)))
		wantError(t, "session of "+name, err, want)
		_, err = f.Token(t.Context(), store.DigestOf(store.Secret(name)))
		wantError(t, "token of "+name, err, want)
	}
}

// The networks an administrator came from are kept, the newest first, also when the
// password changes, and go with the administrator.
func testAdminComesFrom(t *testing.T, f *fixture) {
	_, err := f.PutAdmin(t.Context(), admin("a"), false)
	must(t, err)
	from := func() []string {
		t.Helper()
		a, err := f.Admin(t.Context(), "a")
		must(t, err)
		return a.From
	}
	for i, network := range []string{"x", "y", "y", "", "x"} {
		must(t, f.AddSession(t.Context(), session(fmt.Sprint(i), "A"), network))
	}
	wantEqual(t, "networks", from(), []string{"x", "y"})
	changed := admin("a")
	changed.From = []string{"made up"}
	_, err = f.PutAdmin(t.Context(), changed, false)
	must(t, err)
	f.reopen()
	wantEqual(t, "networks after a change", from(), []string{"x", "y"})
	for i := range 12 {
		must(t, f.AddSession(t.Context(), session(fmt.Sprint("more", i), "a"), fmt.Sprint(i)))
	}
	wantEqual(t, "networks kept", from(), []string{"11", "10", "9", "8", "7", "6", "5", "4", "3", "2"})
	must(t, f.DeleteAdmin(t.Context(), "a"))
	_, err = f.PutAdmin(t.Context(), changed, false)
	must(t, err)
	wantEqual(t, "networks of another one of that name", len(from()), 0)
}

// Entries of one domain push out no others, and are found by domain, number and time.
func testAuditByDomain(t *testing.T, f *fixture) {
	add := func(domain, detail string, when int64) {
		t.Helper()
		must(t, f.AddAudit(t.Context(), store.AuditEntry{When: at(when), Action: "begin", Domain: domain, Detail: detail}))
	}
	add("b.example", "before all", 0)
	add("", "of nothing", 1)
	for i := range 40 {
		add("a.example", fmt.Sprint(i), int64(10+i))
	}
	add("b.example", "after all", 100)
	f.reopen()
	ask := func(q store.AuditQuery) (details []string) {
		t.Helper()
		q.Limit = 3
		entries, err := f.Audit(t.Context(), q)
		must(t, err)
		for _, e := range entries {
			details = append(details, e.Detail)
		}
		return details
	}
	wantEqual(t, "b's", ask(store.AuditQuery{Domain: "b.example"}), []string{"after all", "before all"})
	wantEqual(t, "a's", ask(store.AuditQuery{Domain: "a.example"}), []string{"39", "38", "37"})
	wantEqual(t, "a's below a number", ask(store.AuditQuery{Domain: "a.example", Before: 5}), []string{"1", "0"})
	wantEqual(t, "a's below another's number", ask(store.AuditQuery{Domain: "a.example", Before: 43}), []string{"39", "38", "37"})
	wantEqual(t, "a's since", ask(store.AuditQuery{Domain: "a.example", Since: at(48)}), []string{"39", "38"})
	wantEqual(t, "all", ask(store.AuditQuery{}), []string{"after all", "39", "38"})
	wantEqual(t, "all below", ask(store.AuditQuery{Before: 3}), []string{"of nothing", "before all"})
	wantEqual(t, "unknown", len(ask(store.AuditQuery{Domain: "c.example"})), 0)
	wantEqual(t, "later", len(ask(store.AuditQuery{Since: at(101)})), 0)
	long := store.AuditEntry{When: time.Now(), Action: "x", Domain: string(make([]byte, 256))}
	wantError(t, "a domain too long", f.AddAudit(t.Context(), long), store.ErrInvalid)
}
