// Package foldertree plans what is to become of folders: from the trees of both servers, the
// rows that the ledger has and what the configuration wishes it makes a TreePlan, which says
// what to create, subscribe and leave alone, and why.
//
// Everything in it is pure: it must not know sessions, the store or an account at work.
package foldertree
