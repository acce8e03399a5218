# shellcheck shell=bash
# guest.sh - the guest with the real clients (test/lib/guest), on a TAP device in the namespace "lac".
# The host side of: start it, run commands in it, stop it.

GUEST_CACHE=$TOP/build/test-cache/guest
GUEST_IP=192.0.2.130
GUEST_GATEWAY=192.0.2.129
GUEST_PID=
GUEST_DIR=

# The reason why no guest can run here, if there is one.
guest_obstacle() {
	[ "$(uname -m)" = x86_64 ] || { echo "user-mode-linux exists for x86 only" && return; }
	"$TOP/test/lib/guest/build" "$GUEST_CACHE" 2>"$WORK/guest-build.log" >&2 ||
		tail -n 1 "$WORK/guest-build.log"
}

guest_start() {
	GUEST_DIR=$(mktemp -d /tmp/l2tpns-guest.XXXXXX) # short: it will hold the path of a socket
	AT_END+=(guest_stop)
	mkdir "$GUEST_DIR/host" "$GUEST_DIR/uml"
	mkfifo "$GUEST_DIR/to" "$GUEST_DIR/from"
	exec 5<>"$GUEST_DIR/to" 6<>"$GUEST_DIR/from"
	ip -n "$NS_LAC" tuntap add guest mode tap vnet_hdr &&
		ip -n "$NS_LAC" addr add "$GUEST_GATEWAY/25" dev guest &&
		ip -n "$NS_LAC" link set guest up || return 1
	TMPDIR=/dev/shm start_in "$NS_LAC" "$WORK/guest.log" setsid "$GUEST_CACHE/kernel" mem=256M quiet panic=-1 \
		initrd="$GUEST_CACHE/initramfs.gz" root=/dev/ram0 rdinit=/init uml_dir="$GUEST_DIR/uml" umid=guest \
		con=null con0=null,fd:1 ssl=null ssl0=fd:5,fd:6 vec0:transport=tap,ifname=guest,depth=64,gro=0 \
		hostfs="$GUEST_DIR/host" guest_address="$GUEST_IP/25" guest_gateway="$GUEST_GATEWAY"
	GUEST_PID=$STARTED
	guest_answer 0 30 && [ "$GUEST_ANSWER" = ready ]
}

# guest_answer NUMBER SECONDS: what the guest answered to this command, in GUEST_ANSWER. Answers to
# earlier commands that came too late are passed over.
guest_answer() {
	local number
	while read -r -t "$2" -u 6 number GUEST_ANSWER; do
		GUEST_ANSWER=${GUEST_ANSWER%$'\r'}
		[ "$number" != "$1" ] || return 0
	done
	return 1
}

# guest COMMAND...: a shell command in the guest: its output, its status; 125 when it takes too long.
guest() {
	local number
	number=$(date +%s%N)
	printf '%s\n' "$*" >"$GUEST_DIR/host/command"
	echo "$number" >&5
	guest_answer "$number" "${GUEST_LIMIT:-60}" || {
		echo "guest: no answer to: $*" >&2
		return 125
	}
	printf '# %s -> %s\n' "$*" "$GUEST_ANSWER" >>"$WORK/guest-commands.log"
	tee -a "$WORK/guest-commands.log" <"$GUEST_DIR/host/output"
	return "$GUEST_ANSWER"
}

# The kernel's process and its helpers are one session of their own.
guest_stop() {
	[ -n "$GUEST_DIR" ] || return 0
	if is_running "$GUEST_PID"; then
		kill -s TERM -- "-$GUEST_PID" 2>/dev/null
		wait_for 1 has_ended "$GUEST_PID" || kill -s KILL -- "-$GUEST_PID" 2>/dev/null
		wait "$GUEST_PID" 2>/dev/null
	fi
	cp "$GUEST_DIR"/host/*.log "$WORK/" 2>/dev/null
	rm -rf "$GUEST_DIR"
	GUEST_DIR=
}
