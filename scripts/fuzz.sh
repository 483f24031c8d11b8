#!/usr/bin/env bash
# Runs fuzz tests for a while, one after the other:
#   fuzz.sh [DURATION [PATTERN [PACKAGE...]]]
# By default 20 seconds each of all there are. PATTERN is a part of their names.
set -euo pipefail
cd "$(dirname "$0")/.."

duration=${1:-20s}
pattern=${2:-}
packages=("${@:3}")
((${#packages[@]})) || packages=(./...)
for folder in $(go list -f '{{.Dir}}' "${packages[@]}"); do
	for name in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go 2>/dev/null | cut -d' ' -f2); do
		[[ $name == *"$pattern"* ]] || continue
		echo "== $name (${folder#"$PWD"/})"
		# Without a bound, minimising one interesting input can eat the whole time.
		go test "$folder" -run '^$' -fuzz "^$name\$" -fuzztime "$duration" -fuzzminimizetime 100x
	done
done
