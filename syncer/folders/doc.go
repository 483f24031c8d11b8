// Package folders is what is known of an account's folders: their rows and what goes on with each (Folder),
// what the last look at the trees has found (Trees), and what follows from what clients and administrators
// do to them: a folder that is renamed, deleted, missing, decided about. What must not be lost is written
// by records.
//
// All of it belongs to the account's goroutine; only how far a folder is may be read by others, and Resets used.
//
// It must not know when folders are pulled, nor speak to mail servers.
package folders
