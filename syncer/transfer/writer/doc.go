// Package writer appends what the reader hands over, batch by batch, and enters in the ledger what becomes
// of it: an intent before the first octet of a message goes out, a line once the new server has told where
// the copy is, or it has been found there.
//
// Several batches are under way at a time (pipeline). A refused one is halved until the one refused message
// stands alone (refusals); that is repaired, tried again or put into quarantine. Copies are looked at while
// others are sent (review): their flags, their dates, and their sizes, which tell whether what is there is
// what was sent (oddCopies). A checkpoint is entered once all before it is.
//
// What the new server has in another folder already it copies from there (copier), with intents and proofs as for what is appended.
//
// It alone uses the session with the new server while it runs; answers to what was sent for folders before
// this one come first (Before).
//
// It must not know how messages are listed and fetched, but for a large one that it has to have again.
package writer
