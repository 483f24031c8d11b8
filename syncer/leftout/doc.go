// Package leftout knows what is deliberately not copied, so that it can be counted and told
// wherever it is said how far an account is: folders that are left alone, and views (RFC 6154
// \All, \Flagged), which show mail of other folders. Of a view of all mail it tells which
// messages lie nowhere else: those are copied into the new server's archive.
//
// It must not know who asks: the engine, a dry run or a verification.
package leftout
