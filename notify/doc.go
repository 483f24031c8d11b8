// Package notify tells people how moves go on: by e-mail, and by webhooks that are signed as
// Standard Webhooks have it (https://www.standardwebhooks.com).
//
// # Words
//
// An event is what people are told about: everything of a domain has been copied, something keeps
// accounts from being copied until somebody mends it (trouble), the old server may be switched off
// (settled), the move is finished; and once a day a digest of the moves under way. A cause is what
// several accounts have the same trouble with: a kind of problem at a server. It is told once,
// however many accounts it is about. A letter is one message to one mail address or webhook.
//
// # What survives
//
// What is told of an event is a record, which the store keeps as a notice, with those letters that
// are still to be delivered. It is written before the first letter goes out, and after each of
// them: whatever is interrupted goes on where it was. A letter whose delivery was interrupted may
// arrive twice, with the same ID. One that can't be delivered is tried again less and less often,
// for two days.
//
// # What it must not know
//
// Where facts come from: it asks interfaces of its own (Guide, Store). In which words languages
// say them (Words). Passes, servers of mailboxes, pages and commands.
package notify
