package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"postferry/internal/control"
	"postferry/report"
	"postferry/store"
	"postferry/wire"
)

// DecideFolder implements control.Backend.
func (l *Local) DecideFolder(ctx context.Context, d control.FolderDecision) (title string, err error) {
	accounts, err := accountsOf(ctx, l.Store, []string{d.Login})
	if err != nil {
		return "", err
	}
	id := accounts[0].ID
	if of := accounts[0].Alias; of != 0 {
		id = of
	}
	rows, err := l.Store.Folders(ctx, id)
	if err != nil {
		return "", err
	}
	row, err := namedFolder(rows, d.Folder)
	if err != nil {
		return "", err
	}
	err = l.Engine.DecideFolder(ctx, id, row.ID, d.Verdict)
	if errors.Is(err, report.ErrNotMissing) {
		err = control.UsageError(fmt.Errorf("the folder %q is not missing: there is nothing to decide (postferry status %s)", row.Title, d.Login))
	}
	if err == nil {
		err = l.noter().DecidedFolder(ctx, accounts[0], d.Verdict, row.Title)
	}
	return row.Title, err
}

// namedFolder finds a folder by its title or one of its names; one that is missing goes
// before others.
func namedFolder(rows []store.Folder, name string) (store.Folder, error) {
	var found []store.Folder
	for _, row := range rows {
		for _, n := range []string{row.Title, row.Old, wire.DecodeMailbox(row.Old), row.New, wire.DecodeMailbox(row.New)} {
			if n == name {
				found = append(found, row)
				break
			}
		}
	}
	var missing []store.Folder
	var titles []string
	for _, row := range found {
		titles = append(titles, fmt.Sprintf("%q", row.Title))
		if row.State == store.FolderMissing {
			missing = append(missing, row)
		}
	}
	switch {
	case len(missing) == 1:
		return missing[0], nil
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return store.Folder{}, control.UsageError(fmt.Errorf("no folder is called %q (postferry status LOGIN shows them)", name))
	}
	return store.Folder{}, control.UsageError(fmt.Errorf("several folders are called %q: %s; give the name at the old server", name, strings.Join(titles, ", ")))
}
