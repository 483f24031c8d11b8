// Package runs follows the runs: a Tracker knows which accounts of which run are not through, hears of
// every pass that ends, and begins the runs of schedules. What it knows is in the store, so that it
// goes on after a restart. Whoever sets accounts going tells it, so that their parts begin and end.
//
// It must not know who asks, nor what administrators are shown: those are package admin's. Nor the
// engine: it hears of passes through an interface of its own.
package runs
