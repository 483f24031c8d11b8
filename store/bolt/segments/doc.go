// Package segments is the ledger in the database: a folder's entries lie in segments of up to 400 octets,
// in the order of their keys, and are found, put, removed and read one by one. A Writer writes a segment when
// another is wanted, a Reader reads along them.
//
// How a segment and its key are written is package rows' business. The package knows nothing of what
// an entry is for, nor of counts, intents and checkpoints: package bolt changes those in the same transaction.
package segments
