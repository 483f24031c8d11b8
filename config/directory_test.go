package config

import (
	"fmt"
	"sync"
	"testing"
)

func names(all []Domain) string {
	text := ""
	for _, d := range all {
		text += fmt.Sprintf("%s(%s) ", d.Name, d.New.Host)
	}
	return text
}

func TestDirectory(t *testing.T) {
	d := NewDirectory([]Domain{{Name: "m.example", Default: true, New: Server{Host: "file"}}})
	d.Put(Domain{Name: "Z.example", New: Server{Host: "page"}})
	d.Put(Domain{Name: "a.example", New: Server{Host: "page"}})
	d.Put(Domain{Name: "m.example", New: Server{Host: "page"}})
	if got, want := names(d.All()), "a.example(page) m.example(file) z.example(page) "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	d.Put(Domain{Name: "z.EXAMPLE", New: Server{Host: "other"}})
	d.Delete("A.example")
	d.Delete("m.example")
	d.Delete("unknown.example")
	if got, want := names(d.All()), "m.example(file) z.example(other) "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for login, want := range map[string]string{
		"anna@Z.Example": "z.example", "anna": "m.example", "anna@m.example": "m.example", "anna@a.example": "", "anna@": "",
	} {
		found, ok := d.DomainOf(login)
		if ok != (want != "") || ok && found.Name != want {
			t.Errorf("%s belongs to %v, %v; want %q", login, found, ok, want)
		}
	}
	if none, ok := NewDirectory(nil).DomainOf("anna"); ok {
		t.Errorf("an empty directory knows %v", none)
	}
}

// TestDirectoryCompletes: what follows from a domain's servers goes into what is known already and
// what comes later, and not into what was put.
func TestDirectoryCompletes(t *testing.T) {
	d := NewDirectory([]Domain{{Name: "file.example"}})
	d.Put(Domain{Name: "before.example"})
	d.Complete(func(x *Domain) { x.Account.OldBytesPerDay++ })
	d.Put(Domain{Name: "after.example"})
	for _, x := range d.All() {
		if x.Account.OldBytesPerDay != 1 {
			t.Errorf("%s: completed %d times", x.Name, x.Account.OldBytesPerDay)
		}
	}
}

// TestDirectoryKeepsViews: what was found stays as it was.
func TestDirectoryKeepsViews(t *testing.T) {
	d := NewDirectory(nil)
	d.Put(Domain{Name: "a.example", New: Server{Host: "before"}})
	found, _ := d.DomainNamed("a.example")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 100 {
				d.Put(Domain{Name: "a.example", New: Server{Host: "after"}})
				d.Put(Domain{Name: fmt.Sprintf("%d.example", i)})
				d.DomainOf("x@a.example")
				d.Delete(fmt.Sprintf("%d.example", i))
			}
		})
	}
	all.Wait()
	if found.New.Host != "before" || len(d.All()) != 1 {
		t.Errorf("got %+v of %v", found, d.All())
	}
}
