package treesync

import (
	"context"
	"errors"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/upstream"
	"postferry/upstream/link"
)

// folderList is the tree of a server with the delimiter / that has folders of these raw names.
func folderList(names ...string) foldertree.Tree {
	side := foldertree.Tree{Namespace: upstream.Namespace{Delim: '/'}}
	for _, name := range names {
		side.Mailboxes = append(side.Mailboxes, upstream.Mailbox{Name: name, Delim: '/'})
	}
	return side
}

var onlyInbox = folderList("INBOX")

func planned(t *testing.T, old, new foldertree.Tree) foldertree.TreePlan {
	t.Helper()
	return plannedFor(old, new, nil)
}

func plannedFor(old, new foldertree.Tree, known []store.Folder) foldertree.TreePlan {
	plan, err := foldertree.Plan(context.Background(), old, new, known, foldertree.Wishes{})
	if err != nil {
		panic(err) // the context has no end
	}
	return plan
}

// refusedCreate is the answer of a server that can't have a folder of that name.
func refusedCreate() error {
	return &link.Error{Server: "fake", Op: "CREATE", Class: link.Refused, Code: imap.ResponseCodeCannot, Text: "no", Err: errors.New("NO [CANNOT]")}
}
