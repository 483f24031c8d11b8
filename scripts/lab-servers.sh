#!/usr/bin/env bash
# Unpacks Cyrus IMAP and Courier IMAP below .cache/servers, for the tests that
# copy between different servers. As packages they exclude Dovecot, so they are
# not installed: nothing outside .cache changes. On Debian with apt-get; root
# (or sudo) is needed only where apt has no lists yet or old ones. Does nothing
# where both are there and find their libraries. The same with a plugin of SASL for
# mbsync. lab-servers.sh relays does the same with HAProxy and nginx.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=$PWD/.cache/servers
work=
trap '[[ -z $work ]] || rm -rf "$work"' EXIT

# Where a server's unpacked libraries are; internal/lab does the same.
libraries() {
	local root=$1 dir path=
	for dir in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu* "$root"/usr/lib; do
		[[ -d $dir ]] && path+=${path:+:}$dir
	done
	printf '%s' "$path"
}

# usable ROOT PROGRAM...: the programs are there and find all they need.
usable() {
	local root=$1 program linked
	shift
	for program; do
		[[ -x $root/$program ]] || return 1
		linked=$(LD_LIBRARY_PATH=$(libraries "$root") ldd "$root/$program") || return 1
		[[ $linked != *'not found'* ]] || return 1
	done
}

# fetch PACKAGE...: downloads the packages into the current folder, whether they
# are installed or not, and of the libraries that the first one depends on those
# that aren't installed and can matter to it.
fetch() {
	local plan libraries
	plan=$(apt-get install -s -q --no-install-recommends "$1") || return 1
	libraries=$(awk '$1 == "Inst" && $3 ~ /^\(/ && $2 ~ /^lib/ && $2 !~ /^lib(clamav|mspack|gnutls)/ { print $2 }' <<<"$plan")
	# shellcheck disable=SC2046,SC2086
	apt-get download -q -o APT::Sandbox::User=root $(printf '%s\n' "$@" $libraries | sort -u)
}

# refresh brings apt's lists up to date.
refresh() {
	if ((EUID == 0)); then
		apt-get update -q
	elif command -v sudo >/dev/null; then
		sudo apt-get update -q
	else
		echo "lab-servers: apt's lists are missing or old; run this as root: apt-get update" >&2
		return 1
	fi
}

# unpack NAME PACKAGE...
unpack() {
	local name=$1 package
	shift
	if ! command -v apt-get >/dev/null; then
		echo "lab-servers: this is no Debian; unpack $1 into .cache/servers/$name yourself" >&2
		exit 1
	fi
	echo "lab-servers: unpacking $name into .cache/servers/$name"
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/$name.XXXXXX")
	mkdir "$work/packages" "$work/root"
	chmod 755 "$work" "$work/root"
	(cd "$work/packages" && { fetch "$@" || { refresh && fetch "$@"; }; })
	for package in "$work"/packages/*.deb; do
		dpkg-deb -x "$package" "$work/root"
	done
	rm -rf "${cache:?}/$name" "$work"/root/usr/share
	mv "$work/root" "$cache/$name"
	rm -rf "$work"
	work=
}

# What make relay measures beside the relay; not needed for anything else.
if [[ ${1:-} == relays ]]; then
	usable "$cache/haproxy" usr/sbin/haproxy || unpack haproxy haproxy
	usable "$cache/nginx" usr/sbin/nginx || unpack nginx nginx libnginx-mod-mail
	exit
fi

cyrus=(usr/lib/cyrus/bin/master usr/lib/cyrus/bin/imapd usr/lib/cyrus/bin/ctl_cyrusdb usr/sbin/saslpasswd2)
courier=(usr/bin/imapd usr/libexec/gam_server)

if ! usable "$cache/cyrus" "${cyrus[@]}"; then
	unpack cyrus cyrus-imapd cyrus-common sasl2-bin libsasl2-modules libsasl2-modules-db
fi
if ! usable "$cache/courier" "${courier[@]}"; then
	unpack courier courier-imap courier-base courier-authlib gamin
fi
# With it mbsync signs in with a token; libsasl2-modules has no XOAUTH2.
if ! compgen -G "$cache/xoauth2/usr/lib/*/sasl2/libkdexoauth2.so" >/dev/null; then
	unpack xoauth2 libsasl2-modules-kdexoauth2
fi
for check in "cyrus ${cyrus[*]}" "courier ${courier[*]}"; do
	read -r name programs <<<"$check"
	# shellcheck disable=SC2086
	if ! usable "$cache/$name" $programs; then
		echo "lab-servers: $name lacks libraries in .cache/servers/$name; ldd shows which" >&2
		exit 1
	fi
done
