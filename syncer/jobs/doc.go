// Package jobs runs the jobs of an account on its pairs of sessions: one pair for visits, several for passes.
//
// All that a Runner has belongs to one goroutine, the account's (Actor); a job runs on one of its own, and
// what follows from it comes back as a function to be run there. Which pairs may be used depends on how many
// connections the configuration and the servers allow, and on who else waits for them (Pairs).
//
// It must not know what jobs do.
package jobs
