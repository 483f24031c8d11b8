#!/usr/bin/env bash
# Runs tests and looks for their secrets in all that comes of it: what they print (-v, the log lines and
# traces among it), and in the files of their temporary folders, but for those that are gone within some 50 ms.
#   secrets.sh [GO-TEST-FLAG...] [PACKAGE...]
# Flags are given with "=": -run=TestX. With KEEP=1 the folder with all of it stays, and is named.
# By default it is the packages that have to do with signing in. A secret is
#   - the value of every constant of a test whose name says that it is one (…secret…, …password…, hush, odd), and of
#     fields (Password, Secret, Refresh) with more than words in it,
#   - whatever stand-ins for providers hand out: access-…, refresh-…, device-… and tokens of Microsoft's form,
# each as it is, percent-encoded, and in base64 at each of the three places where it can begin.
# Files that have secrets because that is what they are for are left out: configurations, key files, the files
# of users of the mail servers, and what a browser keeps of the forms that are filled in. The state (state.db) is not.
set -euo pipefail
cd "$(dirname "$0")/.."

flags=() packages=()
for arg in "$@"; do
	if [[ $arg == -* ]]; then flags+=("$arg"); else packages+=("$arg"); fi
done
((${#packages[@]})) || packages=(./credential ./tenant ./directory ./internal/demo/clouds ./upstream/... ./syncer/session ./proxy ./admin/...)

work=$(mktemp -d)
[[ -n ${KEEP:-} ]] || trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp" "$work/kept"

# keep gives each file below the temporary folders another name, under which it outlives its folder.
keep() {
	local path n=0
	while :; do
		while IFS= read -r -d '' path; do
			n=$((n + 1))
			ln "$path" "$work/kept/$n-$(basename "$path")" 2>/dev/null || true # it may be gone by now
		done < <(find "$work/tmp" -type f -links 1 -size +0 ! -path '*/go-build*' ! -path '*/chromedp-runner*' -print0 2>/dev/null)
		[[ ! -e $work/done ]] || return 0
		sleep 0.05
	done
}

keep &
keeper=$!
status=0
TMPDIR=$work/tmp go test -v -count=1 "${flags[@]}" "${packages[@]}" >"$work/output" 2>&1 || status=$?
touch "$work/done"
wait "$keeper"
grep -E '^(ok|FAIL|panic:)' "$work/output" || true
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
while IFS= read -r secret; do forms "$secret"; done <"$work/constants" | sort -u >"$work/fixed"
# What is handed out ends in 26 letters and digits; in base64 its beginning is enough.
{
	printf '%s\n' '(access|refresh|device)-[A-Z2-7]{26}' 'eyJ0eXAiOiJKV1Qi[A-Za-z0-9_-]{20}'
	for prefix in access- refresh- device-; do
		forms "$prefix" | tail -n 3 | sed 's/$/[A-Za-z0-9+\/]{30}/'
	done
} >"$work/patterns"

public='config[^/]*\.toml|[^/]*\.(json|passwd|secret|pem|key|conf|ext|txt|csv|tmpl)|users[^/]*|passwd[^/]*|master-users|list[^/]*|input[^/]*'
find "$work/kept" -type f | grep -vE "/[0-9]+-($public)\$" >"$work/files" || true
echo "$work/output" >>"$work/files"
found=0
while IFS= read -r file; do
	for how in "-F -f $work/fixed" "-E -f $work/patterns"; do
		# shellcheck disable=SC2086 # two arguments
		if hits=$(grep -a -n -o $how "$file"); then
			found=1
			printf '%s:\n%s\n' "$(basename "$file")" "$(head -n 5 <<<"$hits" | cut -c1-300)"
		fi
	done
done <"$work/files"
[[ -z ${KEEP:-} ]] || echo "kept: $work"
printf '%d constants, %d lines of output, %d files of %d looked at: ' "$(wc -l <"$work/constants")" "$(wc -l <"$work/output")" "$(($(wc -l <"$work/files") - 1))" "$(find "$work/kept" -type f | wc -l)"
if ((found)); then
	echo "secrets were found"
	exit 1
fi
echo "no secret"
exit "$status"
