#!/usr/bin/env bash
# Fetches axe-core, which looks at the accessibility of pages in the browser
# tests, into .cache/axe: one file of one package, so that npm isn't needed. The
# registry is the one npm would ask (npm_config_registry or ~/.npmrc), and the
# authorities of NODE_EXTRA_CA_CERTS are trusted besides the system's. Does
# nothing where that version is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.14.1
# As the registry tells it: npm view axe-core@4.14.1 dist.integrity
integrity=sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==

cache=.cache/axe
if [[ -s $cache/axe.min.js && -e $cache/integrity && $(<"$cache/integrity") == "$integrity" ]]; then
	exit 0
fi

# registry prints where packages are fetched, without a slash at the end.
registry() {
	local url=${npm_config_registry:-${NPM_CONFIG_REGISTRY:-}} settings=${NPM_CONFIG_USERCONFIG:-${HOME:-}/.npmrc}
	if [[ -z $url && -r $settings ]]; then
		url=$(sed -n 's/^[[:space:]]*registry[[:space:]]*=[[:space:]]*"\{0,1\}\([^"[:space:]]*\).*/\1/p' "$settings" | tail -n 1)
	fi
	url=${url:-https://registry.npmjs.org}
	printf '%s' "${url%/}"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# curl reads SSL_CERT_FILE itself; what Node takes besides it doesn't know.
trust=()
if [[ -r ${NODE_EXTRA_CA_CERTS:-} ]]; then
	system=${CURL_CA_BUNDLE:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
	for file in "$system" "$NODE_EXTRA_CA_CERTS"; do
		if [[ -r $file ]]; then
			cat "$file"
			echo # a file may lack its last line end
		fi
	done >"$work/authorities.pem"
	trust=(--cacert "$work/authorities.pem")
fi

url=$(registry)/axe-core/-/axe-core-$version.tgz
echo "axe: fetching axe-core $version into $cache"
curl -fsSL --retry 3 "${trust[@]}" -o "$work/axe.tgz" "$url"
want=$(base64 -d <<<"${integrity#sha512-}" | od -An -v -tx1 | tr -d ' \n')
if ! sha512sum --check --status <<<"$want  $work/axe.tgz"; then
	echo "axe: what $url gave is not axe-core $version: its SHA-512 is not $integrity" >&2
	exit 1
fi
mkdir -p "$cache"
tar -xzOf "$work/axe.tgz" package/axe.min.js >"$cache/axe.min.js.new"
mv "$cache/axe.min.js.new" "$cache/axe.min.js"
printf '%s\n' "$integrity" >"$cache/integrity"
