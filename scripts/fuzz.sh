#!/usr/bin/env bash
# Runs every fuzz test for a while, one after the other: fuzz.sh [DURATION] (default 20s).
set -euo pipefail
cd "$(dirname "$0")/.."

duration=${1:-20s}
for folder in $(go list -f '{{.Dir}}' ./...); do
	for name in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go 2>/dev/null | cut -d' ' -f2); do
		echo "== $name (${folder#"$PWD"/})"
		# Without a bound, minimising one interesting input can eat the whole time.
		go test "$folder" -run '^$' -fuzz "^$name\$" -fuzztime "$duration" -fuzzminimizetime 100x
	done
done
