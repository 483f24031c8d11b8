// Package adopt recognises messages of the old server that need not be copied: those that are on the new
// server already, or that lines of the ledger stand for under other keys, because the old server has numbered
// the folder anew, a message was moved, or it was copied back there. What is proved is entered in the ledger;
// the others are what is missing.
//
// A copy is taken for one message only. Where several look alike, what their bodies say decides
// (package message), and lines of other folders whose copies look the same keep theirs.
//
// It must not know how messages are listed, fetched or sent: the reader asks it, and what it has to read on
// the new server it has the writer ask (job.Handover).
package adopt
