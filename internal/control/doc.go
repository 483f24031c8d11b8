// Package control is the socket in the state's folder over which the other commands reach
// the daemon that holds the state: what is said over it (protocol.go and a file for each
// kind of question, which has its types, its path and both ends), the Client that asks and
// the server that answers.
//
// It does nothing itself: Serve puts each question to a Backend, which knows the state and
// the engine, and a Client is a Backend too, so that a command need not care whether a
// daemon runs. The types here are also what the commands print as JSON.
//
// It must not know how the state is opened, who may use the import page, or what a command
// prints.
package control
