// Package rows is what the database keeps, octet for octet: the keys of each bucket, and the row
// of each thing, written by an Encode function and read by the Decode function beside it. package
// bolt says which bucket holds what.
//
// Values are fields one after the other, without names: numbers as varints, texts behind their
// length, instants as seconds and nanoseconds since 1970. What was added to a row stands behind
// what earlier versions had, and may be missing. Numbers in keys are big-endian, so that the order
// of keys is that of numbers.
//
// The ledger's entries are many: they lie together in segments (segment.go), in which nothing is
// repeated that can be told from the entry before.
//
// What can't be read gives an error, never a panic and never more memory than the row could
// fill; Damaged says which row it was. Passwords and secrets are sealed on their way into a row
// and opened on their way out (package seal), each for its own place.
//
// The package knows nothing of bbolt, of transactions, and of what is done with a row.
package rows
