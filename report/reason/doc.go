// Package reason says why something is as it is, or what was done about it: by a code, which
// never changes, and the values of its text. The engine makes reasons, the store keeps them; who
// shows one puts it into words: in English by String, in other languages by a text of his own for
// the code.
//
// It knows neither mail nor servers, and imports none of our packages: the rows of the store have
// reasons in them.
package reason
