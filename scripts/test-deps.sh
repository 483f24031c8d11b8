#!/usr/bin/env bash
# Installs what the tests need besides Go: Dovecot as a real old and new server,
# mbsync, curl, offlineimap and Python as real clients, Chromium, a C compiler for the race detector,
# strace, which shows what has reached the disk, Node.js for clients in JavaScript and TypeScript; and
# fetches some packages for them and the browser (npm.sh), two more servers, and a plugin for mbsync (lab-servers.sh).
# On Debian with apt-get, as root or through sudo; nothing is started or
# enabled. Does nothing where everything is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

# libsasl2-modules has SASL PLAIN, with which mbsync logs in: isync only recommends it.
packages=(dovecot-imapd dovecot-pop3d dovecot-lmtpd isync libsasl2-modules curl offlineimap3 python3 ca-certificates gcc libc6-dev chromium strace nodejs)

# finish fetches what is not installed: some messages of the lab are in a module
# that no program is built with, the rest is kept below .cache.
finish() {
	go mod download github.com/jhillyerd/enmime
	scripts/npm.sh
	scripts/lab-servers.sh
}

if ! command -v go >/dev/null; then
	echo "test-deps: go is not in PATH; install Go 1.26 or newer first (https://go.dev/dl/)" >&2
	exit 1
fi

if ! command -v apt-get >/dev/null; then
	missing=()
	for program in dovecot mbsync curl offlineimap python3 gcc chromium strace node; do
		PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing+=("$program")
	done
	if ((${#missing[@]})); then
		echo "test-deps: this is no Debian; install these yourself: ${missing[*]}" >&2
		exit 1
	fi
	finish
	exit
fi

missing=()
for package in "${packages[@]}"; do
	status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
	finish
	exit
fi

root=()
if ((EUID != 0)); then
	if ! command -v sudo >/dev/null; then
		echo "test-deps: missing ${missing[*]}; run this as root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	root=(sudo)
fi

# dpkg asks policy-rc.d before it starts a service; 101 forbids it. The tests
# start servers of their own, as an unprivileged user.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap '"${root[@]}" rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
	"${root[@]}" chmod 755 "$policy"
fi

echo "test-deps: installing ${missing[*]}"
"${root[@]}" apt-get update -q
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
finish
