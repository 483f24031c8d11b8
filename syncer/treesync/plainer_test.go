package treesync

import (
	"context"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/wire"
)

// picky is a new server that refuses names with certain characters.
type picky struct {
	session.Target
	refuses func(name string) bool
	made    map[string]bool
	asked   int
}

func (p *picky) Create(_ context.Context, name string, _ imap.MailboxAttr) error {
	p.asked++
	if p.refuses(name) {
		return refusedCreate()
	}
	p.made[name] = true
	return nil
}

// CreateAll makes those that it takes.
func (p *picky) CreateAll(ctx context.Context, folders []upstream.NewFolder) (made []bool, err error) {
	for _, f := range folders {
		made = append(made, p.Create(ctx, f.Name, f.Use) == nil)
	}
	return made, nil
}

// TestPlainerNames: whatever characters a server refuses, a folder gets a name in the end, the
// same whenever it is asked for, and no two folders the same.
func TestPlainerNames(t *testing.T) {
	refusals := map[string]func(string) bool{
		"dots":           func(n string) bool { return strings.Contains(n, ".") },
		"ampersands":     func(n string) bool { return strings.Contains(n, "&") },
		"commas":         func(n string) bool { return strings.Contains(n, ",") },
		"pluses":         func(n string) bool { return strings.Contains(n, "+") },
		"blanks":         func(n string) bool { return strings.Contains(n, " ") },
		"hyphens":        func(n string) bool { return strings.Contains(n, "-") },
		"a leading dash": func(n string) bool { return strings.HasPrefix(n, "-") || strings.Contains(n, "/-") },
		"digits first":   func(n string) bool { return n[0] >= '0' && n[0] <= '9' },
		"reserved":       func(n string) bool { return n == "cur" || n == "new" || n == "tmp" },
		"but ASCII": func(n string) bool {
			return strings.ContainsFunc(n, func(r rune) bool { return !foldertree.IsAlnum(byte(r)) && r != '_' && r != '/' })
		},
		"deep": func(n string) bool { return strings.Count(n, "/") > 1 },
		"all but plain ones on the first level": func(n string) bool {
			return strings.ContainsFunc(n, func(r rune) bool { return !foldertree.IsAlnum(byte(r)) && r != '_' })
		},
	}
	names := []string{"v2.0", "v2_0", "v2,0", "v2+0", "a & b", "a - b", "-x", "--", "2024", "cur", "Büro.alt", "Büro alt", "日本", "本日", "...", "!", "?",
		"deep/er/and.deeper", "deep/er/and_deeper", strings.Repeat("x.", 90)}
	for what, refuses := range refusals {
		t.Run(what, func(t *testing.T) {
			first := madeNames(t, names, refuses)
			again := madeNames(t, names, refuses)
			for old, name := range first {
				if again[old] != name {
					t.Errorf("%s: %s, then %s", old, name, again[old])
				}
			}
		})
	}
}

// madeNames makes folders and returns what they are called.
func madeNames(t interface{ Fatalf(string, ...any) }, names []string, refuses func(string) bool) map[string]string {
	plan := &foldertree.TreePlan{}
	for _, name := range names {
		raw := encodeParts(name)
		plan.Create = append(plan.Create, foldertree.FolderCreate{Name: raw})
		plan.Folders = append(plan.Folders, store.Folder{Old: raw, New: raw, Title: name, State: store.FolderPlanned})
	}
	server := &picky{refuses: refuses, made: map[string]bool{}}
	m := newMaker(server, foldertree.Tree{Namespace: upstream.Namespace{Delim: '/'}}, nil, plan, zerolog.Nop())
	if err := m.all(context.Background()); err != nil {
		t.Fatalf("%v", err)
	}
	result := map[string]string{}
	for _, f := range plan.Folders {
		if !server.made[f.New] {
			t.Fatalf("%q was not made: %q", f.Title, f.New)
		}
		for other, name := range result {
			if foldedKey(name) == foldedKey(f.New) {
				t.Fatalf("%q and %q are both called %q", f.Title, other, name)
			}
		}
		result[f.Title] = f.New
	}
	if server.asked > 8*len(names) {
		t.Fatalf("%d CREATE for %d folders", server.asked, len(names))
	}
	return result
}

func encodeParts(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = wire.EncodeMailbox(parts[i])
	}
	return strings.Join(parts, "/")
}

// TestPlainerNamesAny draws names and what is refused of them.
func TestPlainerNamesAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		refused := rapid.StringOfN(rapid.RuneFrom([]rune(" .,+&-%*~#'()äß日")), 1, 6, -1).Draw(t, "refused")
		parts := rapid.StringOfN(rapid.RuneFrom([]rune("abAB1 .,+&-_%~#'()äß日")), 1, 8, -1)
		names := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(parts, 1, 3).Draw(t, "parts"), "/")
		}), 1, 8, foldedKey).Draw(t, "names")
		madeNames(t, names, func(n string) bool { return strings.ContainsAny(foldertree.DecodeName(n), refused) })
	})
}
