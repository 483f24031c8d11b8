#!/usr/bin/env bash
# Runs tests and looks for their secrets in all that comes of it: what they print (-v, the log lines and
# traces among it), and in the files of their temporary folders, but for those that are gone within some 50 ms.
#   secrets.sh [GO-TEST-FLAG...] [PACKAGE...]
# Flags are given with "=": -run=TestX. With KEEP=1 the folder with all of it stays, and is named.
# By default it is the packages that have to do with signing in. A secret is
#   - the value of every constant of a test whose name says that it is one (…secret…, …password…, hush, odd), and of
#     fields (Password, Secret, Refresh) with more than words in it,
#   - whatever stand-ins for providers hand out: access-…, refresh-…, device-… and tokens of Microsoft's form,
#   - with USED=1 whatever the code under test has asked a secret.Text for (Reveal): a copy of that package which notes it is built
#     in the place of the real one. Of these only what are no words, of 8 characters at least (5 if letters and digits), can be told
#     from other text; how many are left out for that is told, and "used" in the kept folder has them all,
# each as it is, percent-encoded, and in base64 at each of the three places where it can begin.
# Files that have secrets because that is what they are for are left out: configurations, key files, the files of users of the
# mail servers, lists of accounts, files that a command line reads a password from ("password"), what a browser keeps of the forms
# that are filled in, the API's description with its examples and the clients that are made of it, and the databases ("db") in which
# store/bolt/pages overwrites what is removed. The state (state.db) is not: of it only administrators' passwords are left out, as
# the hashes that it is there to keep.
set -euo pipefail
cd "$(dirname "$0")/.."

flags=() packages=()
for arg in "$@"; do
	if [[ $arg == -* ]]; then flags+=("$arg"); else packages+=("$arg"); fi
done
((${#packages[@]})) || packages=(./credential ./tenant ./directory ./internal/demo/clouds ./upstream/... ./syncer/session ./proxy ./admin/...)

work=$(mktemp -d)
# Of tests: short, as the name of a socket may have 108 characters, and open to the users that mail servers run as.
tmp=$(mktemp -d "${TMPDIR:-/tmp}/XXXX")
chmod 755 "$tmp"
if [[ -n ${KEEP:-} ]]; then trap 'rm -rf "$tmp"' EXIT; else trap 'rm -rf "$tmp" "$work"' EXIT; fi
mkdir "$work/kept"

# keep gives each file below the temporary folders another name, under which it outlives its folder. A database is held open instead,
# and copied at the end: one with a further name is somebody's copy, which store/bolt/rebuild doesn't overwrite. (Where no more files may
# be opened, it gets its name all the same.)
keep() {
	local inode path fd n=0
	local -A held=()
	ulimit -n "$(ulimit -Hn)"
	while :; do
		while IFS=' ' read -r -d '' inode path; do
			[[ -z ${held[$inode]:-} ]] || continue
			n=$((n + 1))
			if [[ ${path##*/} == *.db* ]] && { exec {fd}<"$path"; } 2>/dev/null; then
				held[$inode]="$fd $n-${path##*/}"
			else
				ln "$path" "$work/kept/$n-${path##*/}" 2>/dev/null || true # it may be gone by now
			fi
		done < <(find "$tmp" -type f -links 1 -size +0 ! -path '*/go-build*' ! -path '*/chromedp-runner*' -printf '%D:%i %p\0' 2>/dev/null)
		[[ ! -e $work/done ]] || break
		sleep 0.05
	done
	for inode in "${!held[@]}"; do
		fd=${held[$inode]%% *}
		cat <&"$fd" >"$work/kept/${held[$inode]#* }"
		exec {fd}<&-
	done
}

if [[ -n ${USED:-} ]]; then
	sed 's/^func (s Text) Reveal() string { return/func (s Text) Reveal() string { note(s); return/' internal/secret/secret.go >"$work"/secret.go
	grep -q 'note(s)' "$work"/secret.go
	cat >"$work"/note.go <<-'END'
		package secret

		import (
			"crypto/sha256"
			"os"
			"strings"
			"sync"
		)

		var noted sync.Map // by their sums: a test looks for what the memory still has

		func note(s Text) {
			name := os.Getenv("SECRETS_USED")
			if _, was := noted.LoadOrStore(sha256.Sum256([]byte(s)), true); was || name == "" {
				return
			}
			f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				panic(err)
			}
			lines := strings.FieldsFunc(string(s), func(r rune) bool { return r == '\n' || r == '\r' || r == 0 })
			if _, err := f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
				panic(err)
			}
			f.Close()
		}
	END
	printf '{"Replace":{"%s":"%s","%s":"%s"}}' "$PWD/internal/secret/secret.go" "$work/secret.go" \
		"$PWD/internal/secret/note.go" "$work/note.go" >"$work"/overlay.json
	flags+=("-overlay=$work/overlay.json")
	export SECRETS_USED=$work/used
fi
touch "$work/used"

keep &
keeper=$!
status=0
TMPDIR=$tmp go test -v -count=1 "${flags[@]}" "${packages[@]}" >"$work/output" 2>&1 || status=$?
touch "$work/done"
wait "$keeper"
grep -aE '^(ok|FAIL|panic:| *--- FAIL)' "$work/output" || true
if ((status)); then # what they say, without what all was well
	grep -vE '^ *(=== |--- (PASS|SKIP)|PASS$|ok )' "$work/output" | head -n 300 || true
fi

# The values of the constants.
folders=$(go list -f '{{.Dir}}' "${packages[@]}")
for folder in $folders; do
	grep -hoiE '^[[:space:]]*(const[[:space:]]+)?([a-z]*secret|[a-z]*password|hush|odd)[[:space:]]*:?=[[:space:]]*("([^"\\]|\\.)*"|`[^`]*`)' "$folder"/*_test.go 2>/dev/null || true
	grep -hoE '\b(Password|Secret|Refresh): "([^"\\]|\\.)*[-0-9%@]([^"\\]|\\.)*"' "$folder"/*_test.go 2>/dev/null || true
done | sed -E 's/^[^=:]*[=:]+[[:space:]]*//' | while IFS= read -r literal; do
	case $literal in
	\"*) printf '%b\n' "${literal:1:-1}" ;; # its escapes are the shell's as well
	*) printf '%s\n' "${literal:1:-1}" ;;
	esac
done | awk 'length($0) >= 8' | sort -u >"$work/constants"

# forms prints a text and what becomes of it.
forms() {
	local LC_ALL=C text=$1 pad encoded i c
	printf '%s\n' "$text"
	for ((i = 0; i < ${#text}; i++)); do
		c=${text:i:1}
		[[ $c == [A-Za-z0-9_.~-] ]] && printf '%s' "$c" || printf '%%%02X' "'$c"
	done
	echo
	for pad in '' x xx; do # the letters at both ends also depend on what is beside the text
		encoded=$(printf '%s%s' "$pad" "$text" | base64 -w0 | tr -d '=')
		encoded=${encoded:$((${#pad} ? ${#pad} + 1 : 0))}
		printf '%s\n' "${encoded:0:$((${#encoded} - 2))}"
	done
}
sort -u -o "$work/used" "$work/used"
LC_ALL=C awk '/^-----/ || $0 == "[secret]" || /^ *"(type|client_id|client_email|auth_uri|token_uri)":/ { next }
	length($0) >= 8 && /[^A-Za-z ]/ || length($0) >= 5 && /^[A-Za-z0-9]+$/ && /[A-Za-z]/ && /[0-9]/' "$work/used" >"$work/telling"
while IFS= read -r secret; do forms "$secret"; done < <(cat "$work/constants" "$work/telling") | LC_ALL=C awk 'length($0) >= 7' | LC_ALL=C sort -u >"$work/fixed"
# What is handed out ends in 26 letters and digits; in base64 its beginning is enough.
{
	printf '%s\n' '(access|refresh|device)-[A-Z2-7]{26}' 'eyJ0eXAiOiJKV1Qi[A-Za-z0-9_-]{20}'
	for prefix in access- refresh- device-; do
		forms "$prefix" | tail -n 3 | sed 's/$/[A-Za-z0-9+\/]{30}/'
	done
} >"$work/patterns"

public='config[^/]*|openapi\.yaml|client\.go|api\.mts|accounts|[^/]*\.(json|passwd|secret|pem|key|conf|ext|txt|csv|tmpl)|sasldb2|users[^/]*|passwd[^/]*|master-users|password|db|list[^/]*|input[^/]*'
find "$work/kept" -type f | grep -vE "/[0-9]+-($public)\$" >"$work/files" || true
echo "$work/output" >>"$work/files"
export LC_ALL=C
{
	xargs -d '\n' grep -a -n -o -H -F -f "$work/fixed" <"$work/files" || true
	xargs -d '\n' grep -a -n -o -H -E -f "$work/patterns" <"$work/files" || true
} | sed "s,^$work/\(kept/\)\?,," | grep -avE '^[0-9]+-state\.db[^:]*:[0-9]+:\$argon2id?\$' >"$work/hits" || true
cut -c1-300 "$work/hits" | head -n 100
[[ -z ${KEEP:-} ]] || echo "kept: $work"
printf '%d constants, %d of %d texts used, %d lines of output, %d files of %d looked at: ' "$(wc -l <"$work/constants")" "$(wc -l <"$work/telling")" "$(wc -l <"$work/used")" "$(wc -l <"$work/output")" "$(($(wc -l <"$work/files") - 1))" "$(find "$work/kept" -type f | wc -l)"
if [[ -s $work/hits ]]; then
	echo "secrets were found"
	exit 1
fi
echo "no secret"
exit "$status"
