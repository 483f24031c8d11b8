// Package board has what is known of a domain's accounts at a moment: their rows with what goes on, sums, what
// keeps them from being copied, how fast it goes. A board is read from store and engine, shared by all who look, and
// never changed; as long as somebody looks the next one is read before the one that is shown is too old.
//
// It must not know who looks, or what may be done with accounts.
package board
