package cause

import (
	"cmp"
	"slices"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

// maxLogins is how many accounts of a cause are named.
const maxLogins = 5

// Cause is what keeps accounts from being copied, with how many they are.
type Cause struct {
	Kind   store.ProblemKind `json:"kind"`
	Server store.Side        `json:"server"` // "" if it is about neither
	Host   string            `json:"host"`
	// NeedsPerson is set if it does not pass by itself.
	NeedsPerson bool `json:"needs_person"`
	Mend        Mend `json:"mend"`
	Accounts    int  `json:"accounts"`
	// Logins are those of some of the accounts, by name; all of them if they are few.
	Logins []string `json:"logins"`
	// Text says in English what is wrong with the first of them. Same is set if it is said of all in
	// the same words, and Folder is the folder if it is the same one.
	Text   reason.Reason `json:"text"`
	Same   bool          `json:"same"`
	Folder string        `json:"folder"`
	// Since is when the first of them met it, and Retry when the next of them is tried again by
	// itself; nil if none is.
	Since time.Time  `json:"since"`
	Retry *time.Time `json:"retry_at"`
}

// Gathering is what becomes causes. Its zero value is empty.
type Gathering struct {
	causes map[key]*Cause
}

// key is what problems of one cause have in common.
type key struct {
	kind   store.ProblemKind
	server store.Side
	host   string
}

// Add takes in an account that a problem keeps from being copied.
func (g *Gathering) Add(login string, p *store.Problem) {
	k := key{cmp.Or(p.Kind, store.Unexpected), p.Server, p.Host}
	c := g.causes[k]
	if c == nil {
		c = &Cause{Kind: k.kind, Server: k.server, Host: k.host, Mend: mendOf(k.kind, p.Advice), Text: p.Summary, Same: true, Folder: p.Folder, Since: p.Since}
		if g.causes == nil {
			g.causes = map[key]*Cause{}
		}
		g.causes[k] = c
	}
	c.Accounts++
	c.NeedsPerson = c.NeedsPerson || p.NeedsPerson()
	c.Same = c.Same && c.Text == p.Summary
	if c.Folder != p.Folder {
		c.Folder = ""
	}
	if p.Since.Before(c.Since) {
		c.Since = p.Since
	}
	if !p.Retry.IsZero() && (c.Retry == nil || p.Retry.Before(*c.Retry)) {
		c.Retry = new(p.Retry)
	}
	c.name(login)
}

// name keeps the first logins in order.
func (c *Cause) name(login string) {
	at, _ := slices.BinarySearch(c.Logins, login)
	c.Logins = slices.Insert(c.Logins, at, login)
	c.Logins = c.Logins[:min(len(c.Logins), maxLogins)]
}

// Causes are those gathered: first those that need a person, and those of the most accounts.
func (g *Gathering) Causes() []Cause {
	all := []Cause{}
	for _, c := range g.causes {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(x, y Cause) int {
		if x.NeedsPerson != y.NeedsPerson {
			if x.NeedsPerson {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(y.Accounts, x.Accounts), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Server, y.Server), cmp.Compare(x.Host, y.Host))
	})
	return all
}
