# shellcheck shell=bash
# tap.sh - the lines that test/run counts: "ok N - text", "not ok N - text", "ok N - text # SKIP why".
# Sourced by every script of test/integration.

TAP_COUNT=0
TAP_FAILED=0

ok() {
	TAP_COUNT=$((TAP_COUNT + 1))
	printf 'ok %d - %s\n' "$TAP_COUNT" "$*"
}

not_ok() {
	TAP_COUNT=$((TAP_COUNT + 1))
	TAP_FAILED=$((TAP_FAILED + 1))
	printf 'not ok %d - %s\n' "$TAP_COUNT" "$*"
}

# skip TEXT WHY
skip() {
	TAP_COUNT=$((TAP_COUNT + 1))
	printf 'ok %d - %s # SKIP %s\n' "$TAP_COUNT" "$1" "$2"
}

note() { printf '# %s\n' "$*"; }

# check TEXT COMMAND...: ok when the command succeeds. Its output goes to the log of the test.
check() {
	local text=$1
	shift
	if "$@" >>"${WORK:-/tmp}/checks.log" 2>&1; then
		ok "$text"
	else
		not_ok "$text"
		return 1
	fi
}

# expect_value TEXT EXPECTED FOUND
expect_value() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: '$3' instead of '$2'"; fi
}

# A test that cannot go on.
bail() {
	not_ok "$*"
	tap_end
	exit 1
}

# Nothing can be tested here, and why.
skip_all() {
	skip "$1" "$2"
	exit 0
}

# wait_for SECONDS COMMAND...: until it succeeds; fails when the time is over.
wait_for() {
	local end=$(($(date +%s%N) / 1000000 + $1 * 1000))
	shift
	until "$@"; do
		[ $(($(date +%s%N) / 1000000)) -lt $end ] || return 1
		sleep 0.05
	done
}

tap_end() {
	printf '1..%d\n' "$TAP_COUNT"
	[ "$TAP_FAILED" = 0 ]
}
