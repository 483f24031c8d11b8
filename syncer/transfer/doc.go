// Package transfer copies what is missing in one folder, in one call: Pull.Run.
//
// A reader lists the old folder, fetches what the ledger does not know and hands it to a
// writer, one event after the other; the writer appends it, sees it proved and enters it in the
// ledger. Before and after, package recovery brings ledger and servers together; messages that are
// there already are adopted. A message that is refused is rewritten, sent alone, put off or put into
// quarantine, so that it never stops the others.
//
// A pull of which everything has been sent may leave its last answers to the pull that follows on the
// pair (Outstanding): that one hears them first, as they come first, and commits what they prove together
// with its own intents.
//
// It must not know the account's actor, the schedule or other folders' jobs: what it needs of
// them are values and functions of a Pull.
package transfer
