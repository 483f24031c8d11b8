#!/usr/bin/env bash
# Fetches axe-core, which looks at the accessibility of pages in the browser
# tests, into .cache/axe. Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

[[ ! -e .cache/axe/axe.min.js ]] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "axe: fetching axe-core into .cache/axe"
(cd "$work" && npm pack --silent axe-core@4.14.1 >/dev/null && tar -xzf axe-core-*.tgz)
mkdir -p .cache/axe
cp "$work/package/axe.min.js" .cache/axe/
