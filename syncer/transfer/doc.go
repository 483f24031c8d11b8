// Package transfer copies what is missing in one folder, in one call: Run.
//
// It opens the folder on both sides, has package recovery bring ledger and servers together, and lets a
// reader and a writer work at the same time (packages reader and writer; what they share and hand over is
// package job's, and what is on the new server already is recognised by package adopt). Where a connection
// breaks, it begins again with new ones, as long as that gets messages further.
//
// A pull of which everything has been sent may leave its last answers to the pull that follows on the
// pair (Outstanding): that one hears them first, as they come first, and commits what they prove together
// with its own intents. A small one may even hold back its messages, so that it shares that commit (held.go).
//
// It must not know the account's actor, the schedule or other folders' jobs: what it needs of
// them are values and functions of a Job and its Events.
package transfer
