// Package job is what the reader and the writer of a pull share: the folder as it is open on both servers
// and how it is to be pulled (Job), what other pulls are to leave of memory and connections (Resources,
// Shared), who is told what (Events), what has been done (Tally), and what the one hands to the other, one
// event after the other (Handover).
//
// An event is one of a closed set: a message to be sent (Outgoing), one for quarantine, a checkpoint that
// may be reached, a folder worth showing, keywords that follow, or something to be asked of the new server,
// whose session is the writer's.
//
// It must not know how messages are fetched, sent or recognised: that is package reader's, writer's and
// adopt's.
package job
