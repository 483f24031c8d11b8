// Package transfer copies what is missing in one folder, in one call: Pull.Run.
//
// A reader lists the old folder, fetches what the ledger does not know and hands it to a
// writer, which appends it, sees it proved and enters it in the ledger. Before, what an
// earlier run left open is settled (reconcile), copies are recognised after a server has
// numbered its messages anew (renumber, numbers), and messages that are there already are
// adopted; afterwards flags are carried over (flagsync). A message that is refused is
// rewritten, sent alone, put off or put into quarantine, so that it never stops the others.
//
// It must not know the account's actor, the schedule or other folders' jobs: what it needs of
// them are values and functions of a Pull.
package transfer
