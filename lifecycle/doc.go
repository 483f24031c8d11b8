// Package lifecycle leads a domain's move to its end: it gathers the facts that package stage
// assesses, watches the domains' names in DNS, finishes accounts with a report, and forgets
// domains.
//
// # Words
//
// A draft is what a report would say now: how each account has come over, graded, with what
// lowers the grade. Finishing makes accounts finished, forgets their passwords and keeps the
// report, all in one transaction of the store: before it nothing has happened, after it
// everything has. What comes before (a last pass, a verification) changes nothing that could not
// be done again, so that whatever is interrupted is begun anew.
//
// # What it must not know
//
// How passes and verifications are made: it asks an interface of its own (Engine). Who asks, and
// whether they may: that is for the caller, who names them. Pages and commands.
package lifecycle
