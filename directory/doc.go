// Package directory fetches the list of a tenant's mailboxes: from Microsoft's directory
// (Graph) and from Google's. It filters and sorts it, and says which login each mailbox has
// at the new server, by a rule and its exceptions.
//
//	boxes, err := directory.Microsoft{Client: client}.List(ctx)
//	chosen := directory.Filter{Domain: "contoso.com"}.Choose(boxes)
//	moves, clashes := directory.Rule{Domain: "example.com"}.Map(chosen)
//
// The client adds the token (golang.org/x/oauth2 makes such clients); where it comes from is
// none of this package's business. Everything a service says is bounded: pages, their size,
// mailboxes, how often it may ask for patience and for how long. A next page is fetched from
// the same server only, since the token goes with the question.
//
// An Error says what is missing in words that somebody can act on, with the exact value to
// set, and keeps the service's own words for the log.
//
// The package knows nothing of accounts, domains as they are configured, and pages.
package directory
