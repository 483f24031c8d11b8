//go:build !race

package upstream

// grownTo is how long an answer is made at most by repeating it. Octets.
const grownTo = 1 << 20
