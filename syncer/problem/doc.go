// Package problem puts errors into their two voices: a sentence that the person at the screen
// can act on, which also says whether trying again helps, and the cause for the log.
//
// Errors of the engine that mean something to people are made with New, or describe
// themselves (Describer, Carrier); what a server said comes from package upstream.
//
// It must not know what anybody does about a problem: who stops or tries again is up to the
// caller.
package problem
