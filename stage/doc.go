// Package stage says how far a domain's move is, from its first check to the end, whether the
// old server may be switched off, and what to do next. It is pure: facts in, an assessment
// out, which can be printed, tested and told programs.
//
// # Words
//
// Facts are what is known of a domain at one moment: what the store keeps of its accounts and of its
// move, and what DNS has just told of its names. A condition is one thing that has to be so
// before the old server may be switched off. It is looked at, never ticked off by anybody, and is
// met, open, or unknown; why says which, with the figures that it rests on. A stage is reached
// if all conditions of those before it are met. A grade says how an account has come over.
//
// # What it must not know
//
// Where facts come from, who asks, and in which language. It says everything as a code with
// arguments, and in English.
package stage
