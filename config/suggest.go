package config

import (
	"fmt"
	"slices"
	"strings"

	"postferry/internal/asciifold"
)

// didYouMean names the candidate nearest to a misspelt name, or all of them
// if none is near. format dresses a candidate.
func didYouMean(name string, candidates []string, format string) string {
	best, distance := "", 1+max(2, len(name)/3)
	for _, c := range candidates {
		if d := editDistance(asciifold.Lower(name), c); d < distance {
			best, distance = c, d
		}
	}
	if best != "" {
		return "; did you mean " + fmt.Sprintf(format, best) + "?"
	}
	if len(candidates) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(candidates))
	return "; expected one of " + strings.Join(sorted, ", ")
}

// editDistance is the number of letters to insert, remove, replace or swap with
// their neighbour to get from a to b (optimal string alignment).
func editDistance(a, b string) int {
	older, previous := []int(nil), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(previous[j]+1, row[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, previous = previous, row
	}
	return previous[len(b)]
}
