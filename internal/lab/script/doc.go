// Package script has servers that play a transcript to real clients, for what no real server
// does. It must not know what is being tested, nor a mail protocol: a script is lines that
// are sent and lines that are expected.
package script
