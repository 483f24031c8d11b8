// Package ferrytest is an engine for the tests of package admin and those below it, without mail: it keeps the
// states of accounts in the store as the engine does, and tests say what happens to them.
//
// It knows what the engine tells (package report), not who asks for it, and is for tests only.
package ferrytest
