// Package wayback copies mail that arrives at the new server back to the old one, for a domain that
// wants to be able to go back.
//
// # Words
//
// The way back of a folder is open since a baseline: what the new folder had then stays where it is.
// Newer messages that are nobody's copies are appended to the old folder, one after the other. As the
// two messages are copies of one another, what went back is an entry of the folder's ledger, like what
// came over: neither a pull nor the way back takes it for new. Before anything is sent, a return (store.Return)
// says durably what is about to be; it stays until the old server has said where the message is
// (APPENDUID, RFC 4315), or the message was seen there.
//
// # What is done, and what is never done
//
// The old server is sent EXAMINE, FETCH and APPEND, nothing else; a Returner can do no more. A message
// whose APPEND was not answered may be there, or may appear there later. So each pull of the folder knows the returns that
// are not proved (Incoming), and enters what it finds of them in the ledger instead of copying it.
// Only when a pull has dealt with everything that the old folder has, and that has rested for a while
// (Job.settled), a message that was not found is given to the old server again.
//
// It must not know when a folder's turn is, and whether the MX has moved: that is the account's.
package wayback
