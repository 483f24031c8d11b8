// Package reader goes through the old folder and hands over what is missing on the new server: in windows of
// UIDs as they have arrived, or with the newest messages first where somebody waits and all can't be there in
// time. It lists a window, has what is there already recognised (package adopt), and asks for the bodies of
// the rest, several portions ahead. A message that does not come with the others is asked for alone, before it
// goes to quarantine.
//
// Of a server whose messages have labels, it has the writer copy on the new server what has come from another folder already
// (labelled).
//
// It alone uses the session with the old server while it runs, and hands everything over in the order in
// which it is to be appended.
//
// It must not know how messages are appended, nor what becomes of them.
package reader
