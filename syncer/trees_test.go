package syncer

import (
	"context"
	"testing"

	"postferry/store"
	"postferry/upstream"
)

// folderList is the tree of a server with the delimiter / that has folders of these raw names.
func folderList(names ...string) Side {
	side := Side{Namespace: upstream.Namespace{Delim: '/'}}
	for _, name := range names {
		side.Mailboxes = append(side.Mailboxes, upstream.Mailbox{Name: name, Delim: '/'})
	}
	return side
}

var onlyInbox = folderList("INBOX")

func planned(t *testing.T, old, new Side) TreePlan {
	t.Helper()
	return plannedFor(old, new, nil)
}

func plannedFor(old, new Side, known []store.Folder) TreePlan {
	plan, err := planFolders(context.Background(), old, new, known, wishes{})
	if err != nil {
		panic(err) // the context has no end
	}
	return plan
}
