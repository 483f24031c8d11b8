// Package clouds has what Microsoft and Google offer around mail, in memory: the endpoints
// that hand out tokens (RFC 6749, RFC 7521, RFC 7636, RFC 8628), their OpenID discovery, and
// the directories that list a tenant's mailboxes. The demo shows a tenant with it that nobody
// needs to have, and tests check clients against it.
//
//	m := &clouds.Microsoft{Tenant: "contoso", Apps: []clouds.App{{ID: "app", Secret: "s", Roles: []string{clouds.RoleIMAP}}}}
//	server := httptest.NewServer(m)
//	endpoint := m.TokenURL(server.URL)
//
// They are as strict as the services are, or stricter: a token is for one resource, an
// assertion has the right algorithm, audience, issuer, subject and lifetime, a code is
// redeemed once, by whom it was made for, with its verifier. Refusals are worded as the
// services word them, so that what tells people what to do can be tried. They can be made to
// throttle, to be down, and to forget tokens.
//
// The package knows nothing of Postferry, and nothing of IMAP but what a server answers to
// a token (Microsoft.Allows, Google.Allows). Nobody's secret is kept here: all of it is made up.
package clouds
