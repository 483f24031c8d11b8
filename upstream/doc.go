// Package upstream is a session with an IMAP server, old or new: log in, list, read,
// append, watch. Package upstream/pop3 is the same with an old POP3 server: list and read.
// The connection below both is package upstream/link.
//
// A Session is one connection, and has its methods in parts: Tree, Maker, Opener, Fetcher,
// Searcher, Changer, Appender, Watcher. They share a conn, which exchanges commands and
// responses, and its parser. So who reads an old server is given no part that writes. One
// goroutine uses a session at a time; nothing runs in the background, so an answer is read only
// while a method waits for it.
// Each wait on the network has a bound: the context of the call, and the time
// without a byte that link.Options.Stall allows. A call that a context ends leaves
// the session lost. What a server refuses is a *link.Error that says what helps,
// and leaves the session usable; what breaks the connection is a *link.Error of
// class Lost or Later, and every later call returns it again.
//
// The parser asks little and forgives much: unknown responses and items are
// passed over, one bad response costs that response and not the connection.
// Bodies stream and are never held. Mailbox names are raw bytes throughout.
//
// A link.Tracer writes down what sessions say, without secrets and messages. A
// session that has none pays nothing for it.
//
// The package knows nothing of accounts' states, ledgers or folders' mapping,
// and decides nothing about trying again.
package upstream
