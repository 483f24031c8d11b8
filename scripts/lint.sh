#!/usr/bin/env bash
# Formatting, go vet, staticcheck (staticcheck.conf says which checks), the direction
# of imports and what is exported for tests only (internal/layers), and whether
# docs/codes.md is fresh (internal/codes).
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t folders < <(go list -f '{{.Dir}}' ./...)
unformatted=$(gofmt -l "${folders[@]}")
if [[ -n $unformatted ]]; then
	printf 'lint: not formatted, run gofmt -w on:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
go tool staticcheck ./...
go test ./internal/layers ./internal/codes
