// Package pages looks at a bbolt database's file before bbolt does. bbolt maps its file into memory
// and believes what it finds there: a page that is not what it should be makes it panic, read beyond
// the file (a signal), or write over pages that are in use. So all pages that can be reached are
// looked at first; and pages that are not in use are overwritten where something must not be found
// any more.
//
// It is written after bbolt's own page.go, meta.go and tx_check.go; numbers are in the machine's own
// order of bytes. It knows nothing of what the rows mean.
package pages
