package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"postferry/store"
)

func admin(name string) store.Admin {
	return store.Admin{Name: name, Scope: "example.com", Hash: "$argon2id$" + store.Secret(name), Created: at(0), Changed: at(1)}
}

func session(cookie, name string) store.Session {
	return store.Session{ID: store.DigestOf(store.Secret(cookie)), Admin: name, Created: at(0), Used: at(1)}
}

// putAccess puts what accessCalls ask for.
func (f *fixture) putAccess() {
	f.t.Helper()
	for _, name := range []string{"called", "gone"} {
		_, err := f.PutAdmin(f.ctx(), admin(name), false)
		must(f.t, err)
		must(f.t, f.AddSession(f.ctx(), session(name, name), ""))
		_, err = f.AddToken(f.ctx(), store.Token{Name: name, Digest: store.DigestOf(store.Secret(name))})
		must(f.t, err)
	}
}

// accessCalls are the calls of store.Access, with arguments that are right in
// any order after putAccess.
func (f *fixture) accessCalls() map[string]func(context.Context) error {
	const name = "called"
	id := store.DigestOf(name)
	return map[string]func(context.Context) error{
		"PutAdmin":    func(ctx context.Context) error { _, err := f.PutAdmin(ctx, admin("other"), false); return err },
		"Admin":       func(ctx context.Context) error { _, err := f.Admin(ctx, name); return err },
		"Admins":      func(ctx context.Context) error { _, err := f.Admins(ctx); return err },
		"DeleteAdmin": func(ctx context.Context) error { return f.DeleteAdmin(ctx, "gone") },
		"AddSession":  func(ctx context.Context) error { return f.AddSession(ctx, session("more", name), "") },
		"Session":     func(ctx context.Context) error { _, err := f.Session(ctx, id); return err },
		"UseSession":  func(ctx context.Context) error { return f.UseSession(ctx, id, at(2)) },
		"EndSession":  func(ctx context.Context) error { return f.EndSession(ctx, store.DigestOf("unknown")) },
		"EndSessions": func(ctx context.Context) error { _, err := f.EndSessions(ctx, at(-1), at(-1)); return err },
		"AddToken": func(ctx context.Context) error {
			_, err := f.AddToken(ctx, store.Token{Name: "more", Digest: store.DigestOf("more")})
			return err
		},
		"Token":       func(ctx context.Context) error { _, err := f.Token(ctx, id); return err },
		"UseToken":    func(ctx context.Context) error { return f.UseToken(ctx, id, at(3)) },
		"Tokens":      func(ctx context.Context) error { _, err := f.Tokens(ctx); return err },
		"DeleteToken": func(ctx context.Context) error { _, err := f.DeleteToken(ctx, 2); return err },
		"AddAudit":    func(ctx context.Context) error { return f.AddAudit(ctx, store.AuditEntry{Action: "login"}) },
		"Audit":       func(ctx context.Context) error { _, err := f.Audit(ctx, store.AuditQuery{Limit: 1}); return err },
	}
}

func testPutAdmin(t *testing.T, f *fixture) {
	want := admin("Jörg")
	added, err := f.PutAdmin(t.Context(), want, false)
	must(t, err)
	wantEqual(t, "added", added, true)
	got, err := f.Admin(t.Context(), "jöRG")
	must(t, err)
	wantEqual(t, "admin", got, want)
	if got.Hash != want.Hash {
		t.Error("the hash is another one") // DeepEqual sees it, its output doesn't
	}

	change := store.Admin{Name: "JörG", Scope: store.ScopeAll, Hash: "other", Created: at(5), Changed: at(6)}
	added, err = f.PutAdmin(t.Context(), change, false)
	must(t, err)
	wantEqual(t, "added again", added, false)
	change.Created = want.Created
	f.reopen()
	got, err = f.Admin(t.Context(), "jörg")
	must(t, err)
	wantEqual(t, "changed admin", got, change)

	_, err = f.PutAdmin(t.Context(), admin("anna"), false)
	must(t, err)
	list, err := f.Admins(t.Context())
	must(t, err)
	anna := admin("anna")
	anna.Hash, change.Hash = "", ""
	wantEqual(t, "admins", list, []store.Admin{anna, change})
}

func testPutFirstAdmin(t *testing.T, f *fixture) {
	none, err := f.Admins(t.Context())
	must(t, err)
	wantEqual(t, "admins of an empty store", len(none), 0)
	added, err := f.PutAdmin(t.Context(), admin("first"), true)
	must(t, err)
	wantEqual(t, "added", added, true)
	for _, name := range []string{"first", "second"} {
		added, err = f.PutAdmin(t.Context(), admin(name), true)
		wantError(t, "another first one", err, store.ErrExists)
		wantEqual(t, "added", added, false)
	}
	_, err = f.Admin(t.Context(), "second")
	wantError(t, "the one who was not first", err, store.ErrNotFound)
}

func testPutAdminInvalid(t *testing.T, f *fixture) {
	for name, a := range map[string]store.Admin{
		"no name":     {Hash: "x"},
		"a long name": {Name: strings.Repeat("x", 256), Hash: "x"},
		"no password": {Name: "x"},
	} {
		_, err := f.PutAdmin(t.Context(), a, false)
		wantError(t, name, err, store.ErrInvalid)
	}
	_, err := f.AddToken(t.Context(), store.Token{})
	wantError(t, "a token without a name", err, store.ErrInvalid)
	wantError(t, "an entry without an action", f.AddAudit(t.Context(), store.AuditEntry{}), store.ErrInvalid)
	_, err = f.Audit(t.Context(), store.AuditQuery{})
	wantError(t, "no entries", err, store.ErrInvalid)
}

func testDeleteAdmin(t *testing.T, f *fixture) {
	for _, name := range []string{"a", "b"} {
		_, err := f.PutAdmin(t.Context(), admin(name), false)
		must(t, err)
		must(t, f.AddSession(t.Context(), session(name, name), ""))
	}
	must(t, f.DeleteAdmin(t.Context(), "A"))
	_, err := f.Admin(t.Context(), "a")
	wantError(t, "the deleted one", err, store.ErrNotFound)
	_, err = f.Session(t.Context(), store.DigestOf("a"))
	wantError(t, "the deleted one's session", err, store.ErrNotFound)
	_, err = f.Session(t.Context(), store.DigestOf("b"))
	must(t, err)
	wantError(t, "deleted again", f.DeleteAdmin(t.Context(), "a"), store.ErrNotFound)
	wantError(t, "a session of nobody", f.AddSession(t.Context(), session("c", "a"), ""), store.ErrNotFound)
}

func testSessions(t *testing.T, f *fixture) {
	_, err := f.PutAdmin(t.Context(), admin("a"), false)
	must(t, err)
	want := session("cookie", "a")
	must(t, f.AddSession(t.Context(), want, ""))
	f.reopen()
	got, err := f.Session(t.Context(), want.ID)
	must(t, err)
	wantEqual(t, "session", got, want)

	want.Used = at(9)
	must(t, f.UseSession(t.Context(), want.ID, at(9)))
	got, err = f.Session(t.Context(), want.ID)
	must(t, err)
	wantEqual(t, "used session", got, want)

	must(t, f.EndSession(t.Context(), want.ID))
	must(t, f.EndSession(t.Context(), want.ID))
	_, err = f.Session(t.Context(), want.ID)
	wantError(t, "ended session", err, store.ErrNotFound)
	wantError(t, "use of an ended session", f.UseSession(t.Context(), want.ID, at(10)), store.ErrNotFound)
	_, err = f.Session(t.Context(), want.ID)
	wantError(t, "ended session after its use", err, store.ErrNotFound)
}

func testSessionsEndWithPassword(t *testing.T, f *fixture) {
	for _, name := range []string{"a", "b"} {
		_, err := f.PutAdmin(t.Context(), admin(name), false)
		must(t, err)
		must(t, f.AddSession(t.Context(), session(name, name), ""))
	}
	_, err := f.PutAdmin(t.Context(), admin("A"), false)
	must(t, err)
	_, err = f.Session(t.Context(), store.DigestOf("a"))
	wantError(t, "session with the old password", err, store.ErrNotFound)
	_, err = f.Session(t.Context(), store.DigestOf("b"))
	must(t, err)
}

func testSessionsAreBounded(t *testing.T, f *fixture) {
	for _, name := range []string{"a", "b"} {
		_, err := f.PutAdmin(t.Context(), admin(name), false)
		must(t, err)
	}
	must(t, f.AddSession(t.Context(), session("b", "b"), ""))
	const many = 60
	for i := range many {
		s := session(fmt.Sprint("a", i), "a")
		s.Used = at(int64(i))
		must(t, f.AddSession(t.Context(), s, ""))
	}
	left := 0
	for i := range many {
		if _, err := f.Session(t.Context(), store.DigestOf(store.Secret(fmt.Sprint("a", i)))); err == nil {
			left++
		} else if i == many-1 {
			t.Error("the newest session went")
		}
	}
	wantEqual(t, "sessions left", left, 50)
	_, err := f.Session(t.Context(), store.DigestOf("b"))
	must(t, err)
}

func testEndSessions(t *testing.T, f *fixture) {
	_, err := f.PutAdmin(t.Context(), admin("a"), false)
	must(t, err)
	for name, times := range map[string][2]time.Time{"old": {at(0), at(100)}, "idle": {at(50), at(51)}, "good": {at(50), at(90)}} {
		s := session(name, "a")
		s.Created, s.Used = times[0], times[1]
		must(t, f.AddSession(t.Context(), s, ""))
	}
	ended, err := f.EndSessions(t.Context(), at(50), at(90))
	must(t, err)
	wantEqual(t, "ended", ended, 2)
	_, err = f.Session(t.Context(), store.DigestOf("good"))
	must(t, err)
}

func testTokens(t *testing.T, f *fixture) {
	var want []store.Token
	for _, name := range []string{"panel", "monitoring", "script"} {
		token := store.Token{Name: name, Digest: store.DigestOf(store.Secret("z" + name)), Scope: "example.com", By: "anna", Created: at(0)}
		stored, err := f.AddToken(t.Context(), token)
		must(t, err)
		token.ID = stored.ID
		wantEqual(t, "stored", stored, token)
		want = append(want, stored)
	}
	must(t, f.UseToken(t.Context(), want[1].Digest, at(7)))
	want[1].Used = at(7)
	f.reopen()
	got, err := f.Token(t.Context(), want[1].Digest)
	must(t, err)
	wantEqual(t, "token", got, want[1])
	list, err := f.Tokens(t.Context())
	must(t, err)
	wantEqual(t, "tokens", list, want)

	gone, err := f.DeleteToken(t.Context(), want[0].ID)
	must(t, err)
	wantEqual(t, "gone", gone, want[:1])
	_, err = f.DeleteToken(t.Context(), want[0].ID)
	wantError(t, "deleted again", err, store.ErrNotFound)
	_, err = f.Token(t.Context(), want[0].Digest)
	wantError(t, "a deleted token", err, store.ErrNotFound)
	wantError(t, "use of a deleted token", f.UseToken(t.Context(), want[0].Digest, at(8)), store.ErrNotFound)
	more, err := f.AddToken(t.Context(), store.Token{Name: "more", Digest: store.DigestOf("more")})
	must(t, err)
	if more.ID <= want[2].ID {
		t.Errorf("the new token has ID %d, there was %d", more.ID, want[2].ID)
	}
}

func testAudit(t *testing.T, f *fixture) {
	var all []store.AuditEntry
	for i := range 30 {
		e := store.AuditEntry{When: at(int64(i)), Who: "anna", From: "192.0.2.1", Action: "begin", Account: "ümläut", Detail: fmt.Sprint(i)}
		if i%3 == 0 {
			e.Domain = "example.com"
		}
		must(t, f.AddAudit(t.Context(), e))
		all = append(all, e)
	}
	f.reopen()
	first, err := f.Audit(t.Context(), store.AuditQuery{Limit: 10})
	must(t, err)
	wantEqual(t, "entries", len(first), 10)
	rest, err := f.Audit(t.Context(), store.AuditQuery{Limit: 100, Before: first[9].ID})
	must(t, err)
	got := append(first, rest...)
	wantEqual(t, "all entries", len(got), 30)
	for i, e := range got {
		want := all[29-i]
		want.ID = e.ID
		wantEqual(t, "entry", e, want)
		if i > 0 && e.ID >= got[i-1].ID {
			t.Errorf("entry %d follows %d", e.ID, got[i-1].ID)
		}
	}
	own, err := f.Audit(t.Context(), store.AuditQuery{Limit: 3, Domain: "example.com"})
	must(t, err)
	wantEqual(t, "details", own[0].Detail+own[1].Detail+own[2].Detail, "272421")
	beyond, err := f.Audit(t.Context(), store.AuditQuery{Limit: 1, Before: 1 << 60})
	must(t, err)
	wantEqual(t, "newest", beyond[0].Detail, "29")
}
