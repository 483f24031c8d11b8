// Package verify compares what the two servers have, message by message, and says what is
// missing, altered or doubled, and why. It only reads: both servers, and the store.
//
// It must not know the engine: whether a message is there is told by the servers alone.
package verify
