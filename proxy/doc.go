// Package proxy is the client's side of Postferry: it listens, speaks TLS,
// logs people in at the new server, and from then on relays raw bytes between
// the client and the new server.
//
// Nouns, in the order a client meets them:
//
//   - a Server has the listeners and the certificate;
//   - a session is one client's connection before it has logged in; all of its
//     input is bounded;
//   - a relay is the connection afterwards. Two goroutines move its bytes, one
//     each way. While nothing comes they wait below TLS (socket.go), with neither buffers nor
//     the stack that TLS takes. The one that reads the client follows the commands, the one
//     that reads the new server follows the responses and is the one that writes
//     to the client; what else has to be said to the client (INPROGRESS, BYE, a
//     refusal) is slipped in between two responses by the outlet. The flow is
//     what the two have to know of each other: the commands not completed yet.
//
// A client's SELECT is held back while its folder is filled from the old
// server (a visit), its STATUS for a moment, and its search while the old server is searched
// too; after that the relay sends a search of its own, so that the new server takes note of what
// has come, and keeps its answer to itself. CREATE, DELETE and RENAME are reported once the new server
// has completed them, and the capabilities a relay can't keep are left out.
// Everything else passes through byte for byte.
//
// The proxy asks for all that concerns the old server through the interface
// Ferry. It must not know the syncer, must never wait for the old server
// without a bound, and holds no mail.
//
// Who may come in is package admission's business, what clients are shown that of package
// certificate, which keeps at most certificates and their keys on the disk, in the state directory.
package proxy
