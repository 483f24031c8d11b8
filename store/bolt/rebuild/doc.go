// Package rebuild replaces a database of an earlier version, in whose ledger each entry had a row (schema 3 and before),
// by one of this version: a copy is made beside it, compared with it row by row, synced, and given its
// name. The old one is overwritten and removed once the new one has been opened, as it has passwords that the new one may be
// told to forget.
//
// It copies all buckets but the ledger as they are, and doesn't know what their rows mean: what is to be changed in
// them is done by the function that it is given. It doesn't open or lock the database that it replaces.
package rebuild
