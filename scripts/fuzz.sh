#!/usr/bin/env bash
# Runs fuzz tests for a while, one after the other:
#   fuzz.sh [DURATION [PATTERN [PACKAGE...]]]
# By default 20 seconds each of all there are. PATTERN is a part of their names.
# With FUZZ_KEEP=N the N newest short inputs that each has found are kept in the package's
# testdata/fuzz, with which every later run begins, and which go test tries as well.
set -euo pipefail
cd "$(dirname "$0")/.."

duration=${1:-20s}
pattern=${2:-}
packages=("${@:3}")
keep=${FUZZ_KEEP:-0}
cache=$(go env GOCACHE)/fuzz
since=$(mktemp)
trap 'rm -f "$since"' EXIT

# kept copies what fuzz test $2 of the package in folder $1 has found since it was started.
kept() {
	local found
	found=$cache/$(go list "$1")/$2
	[[ -d $found ]] || return 0
	mkdir -p "$1/testdata/fuzz/$2"
	find "$found" -type f -newer "$since" -size -2 -printf '%T@ %p\n' | sort -rn | head -n "$keep" | cut -d' ' -f2- |
		xargs -r cp -t "$1/testdata/fuzz/$2"
	rmdir --ignore-fail-on-non-empty "$1/testdata/fuzz/$2"
}

((${#packages[@]})) || packages=(./...)
for folder in $(go list -f '{{.Dir}}' "${packages[@]}"); do
	for name in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go 2>/dev/null | cut -d' ' -f2); do
		[[ $name == *"$pattern"* ]] || continue
		echo "== $name (${folder#"$PWD"/})"
		touch "$since"
		# Without a bound, minimising one interesting input can eat the whole time.
		go test "$folder" -run '^$' -fuzz "^$name\$" -fuzztime "$duration" -fuzzminimizetime 100x
		((keep == 0)) || kept "$folder" "$name"
	done
done
