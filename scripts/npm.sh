#!/usr/bin/env bash
# Fetches what the tests take from npm's registry into .cache/npm: axe-core, which looks at the accessibility
# of pages, what checks openapi.yaml and makes a client of it in TypeScript, and imapflow, a client of IMAP that
# signs in with tokens. npm isn't needed, Node.js is (18 or newer):
# scripts/npm/package-lock.json, which npm writes ("npm install --package-lock-only" there), names each
# package with its SHA-512. The registry is the one npm would ask (npm_config_registry or ~/.npmrc), and the
# authorities of NODE_EXTRA_CA_CERTS are trusted besides the system's. Does nothing where all of it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=scripts/npm/package-lock.json
cache=.cache/npm
if cmp -s "$lock" "$cache/package-lock.json"; then
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

# packages prints the folder, the path in a registry and the SHA-512 in hexadecimal digits of each.
packages() {
	node -e '
		for (const [folder, is] of Object.entries(JSON.parse(require("fs").readFileSync(process.argv[1])).packages)) {
			if (folder === "") continue; // what needs them all
			const name = is.name ?? folder.replace(/.*node_modules\//, "");
			const digest = Buffer.from(/^sha512-(\S+)$/.exec(is.integrity)[1], "base64").toString("hex");
			console.log(folder, `${name}/-/${name.replace(/.*\//, "")}-${is.version}.tgz`, digest);
		}' "$lock"
}

mkdir -p .cache
work=$(mktemp -d .cache/npm.XXXXXX) # beside what it becomes
trap 'rm -rf "$work"' EXIT

# curl reads SSL_CERT_FILE itself; what Node.js takes besides it doesn't know.
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

from=$(registry)
packages >"$work/packages"
echo "npm: fetching $(wc -l <"$work/packages") packages from $from into $cache"
n=0
while read -r _ path digest; do
	n=$((n + 1))
	printf 'url = "%s/%s"\noutput = "%s/%d.tgz"\n' "$from" "$path" "$work" $n >>"$work/curl"
	printf '%s  %s/%d.tgz\n' "$digest" "$work" $n >>"$work/digests"
done <"$work/packages"
curl -fsSL --no-progress-meter --retry 3 --parallel --parallel-max 8 --fail-early "${trust[@]}" --config "$work/curl"
if ! sha512sum --check --quiet "$work/digests"; then
	echo "npm: what $from gave is not what $lock means: the SHA-512 of a package is another" >&2
	exit 1
fi
n=0
while read -r folder _; do
	n=$((n + 1))
	mkdir -p "$work/new/$folder"
	tar -xzf "$work/$n.tgz" -C "$work/new/$folder" --strip-components 1 --no-same-owner
done <"$work/packages"
cp "$lock" "$work/new/package-lock.json"
rm -rf "$cache"
mv "$work/new" "$cache"
