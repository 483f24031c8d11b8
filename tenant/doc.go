// Package tenant looks at what an administrator has connected: a tenant of Microsoft 365 or a
// Google Workspace, by the application or the service account that Postferry signs in with there.
//
// A Connector tries it, step by step (is a token given out, is the list of mailboxes readable, does a
// mailbox open), and fetches that list. A Step that fails says what is missing with the exact value to
// set. Values are what has to be pasted at the provider beforehand.
//
// It uses tokens of its own (credential) and the provider's directory (directory), and looks into
// a mailbox with EXAMINE only. It must not know accounts, their states, pages, or the store.
package tenant
