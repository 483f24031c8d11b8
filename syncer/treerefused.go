package syncer

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"postferry/store"
	"postferry/upstream"
	"postferry/wire"
)

// errNotMade: a folder's mail stays behind because the new server won't have it.
var errNotMade = errors.New("the new server refuses to make the folder")

// createFolders makes the plan's folders. One whose name the new server
// refuses (Cyrus takes no '%', '|', '"' and others, Courier nothing outside
// Unicode's basic plane) gets a plainer one, which its row keeps; its children
// follow. taken holds the keys of names that are other folders'.
func (a *account) createFolders(ctx context.Context, s newSession, plan *TreePlan, taken map[string]bool, delim byte) (made map[string]bool, err error) {
	made = map[string]bool{}
	for i := range plan.Create {
		c := plan.Create[i]
		err := s.Create(ctx, c.Name, c.Use)
		if plain := plainName(c.Name, delim, taken); upstream.ClassOf(err) == upstream.Refused && plain != c.Name {
			why := err
			if err = s.Create(ctx, plain, c.Use); err == nil {
				a.log.Warn().Err(why).Str("folder", decodeName(c.Name)).Str("name", decodeName(plain)).
					Msg("the new server refuses the folder's name; it got another one")
				plan.rename(c.Name, plain, delim)
				taken[foldedKey(plain)] = true
				c.Name = plain
			}
		}
		if err != nil && upstream.ClassOf(err) != upstream.Refused {
			return nil, err
		}
		if err != nil {
			a.log.Warn().Err(err).Str("folder", c.Name).Msg("the new server refuses to make this folder")
			continue
		}
		made[c.Name] = true
	}
	return made, nil
}

// rename gives a folder of the plan and all below it another name.
func (p *TreePlan) rename(from, to string, delim byte) {
	moved := func(name string) string {
		if rest, ok := strings.CutPrefix(name, from); ok && (rest == "" || delim != 0 && rest[0] == delim) {
			return to + rest
		}
		return name
	}
	for i := range p.Create {
		p.Create[i].Name = moved(p.Create[i].Name)
	}
	for i := range p.Subscribe {
		p.Subscribe[i] = moved(p.Subscribe[i])
	}
	for i := range p.Folders {
		p.Folders[i].New = moved(p.Folders[i].New)
	}
}

// plainName replaces in the last part of a raw name everything that servers
// are known to refuse. The same name always becomes the same.
func plainName(raw string, delim byte, taken map[string]bool) string {
	at := 0
	if delim != 0 {
		at = strings.LastIndexByte(raw, delim) + 1
	}
	sub := substitute(delim)
	part := decodeName(raw[at:])
	plain := strings.Map(func(r rune) rune {
		if r <= 0xFFFF && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune(" -_.,+&", r)) {
			return r
		}
		return rune(sub[0])
	}, part)
	if plain == part {
		return raw
	}
	name := raw[:at] + wire.EncodeMailbox(plain)
	if taken[foldedKey(name)] {
		name += sub + shortHash(raw)
	}
	return name
}

// foldedKey makes raw names comparable regardless of case.
func foldedKey(raw string) string { return strings.ToLower(canonicalInbox(decodeName(raw))) }

// takenNames are the names on the new server that exist or are meant for a folder.
func takenNames(new Side, known []store.Folder, plan TreePlan) map[string]bool {
	taken := map[string]bool{}
	for _, m := range new.Mailboxes {
		taken[foldedKey(m.Name)] = true
	}
	for _, rows := range [][]store.Folder{known, plan.Folders} {
		for _, f := range rows {
			taken[foldedKey(f.New)] = true
		}
	}
	return taken
}
