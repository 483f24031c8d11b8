//go:build race

package upstream

// The race detector makes everything ten times as slow, and scripts/fuzz.sh does without it:
// answers need not be as long as there. Octets.
const grownTo = 64 << 10
