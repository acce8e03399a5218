# shellcheck shell=bash
# netns.sh - three network namespaces and the processes in them, made for one test and gone after it.
#
#    lac  192.0.2.2 ---- veth ---- 192.0.2.1  lns  198.51.100.1 ---- veth ---- 198.51.100.2  net
#    (subscribers' side)           (the daemon)                         (hosts on the Internet, RADIUS)
#
# Names carry the id of this shell (or NETNS_ID), so runs may stand side by side; addresses are those of RFC 5737
# and RFC 2544 and never leave the namespaces. Everything is ended by process id and removed by a
# trap, whatever happens to the test.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=test/lib/tap.sh
. "$TOP/test/lib/tap.sh"

NETNS_ID=${NETNS_ID:-$$}
NS_LAC=l2tpns-$NETNS_ID-lac
NS_LNS=l2tpns-$NETNS_ID-lns
NS_NET=l2tpns-$NETNS_ID-net
LAC_IP=192.0.2.2
LNS_IP=192.0.2.1
GUEST_NET=192.0.2.128/25	# behind the lac namespace: the real client's side
CORE_IP=198.51.100.1
NET_IP=198.51.100.2
NET_IP_2=198.51.100.3

in_lac() { ip netns exec "$NS_LAC" "$@"; }
in_lns() { ip netns exec "$NS_LNS" "$@"; }
in_net() { ip netns exec "$NS_NET" "$@"; }

net_namespace() {
	ip netns add "$1" && ip -n "$1" link set lo up &&
		ip netns exec "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.all.disable_ipv6=0
}

net_up() {
	net_namespace "$NS_LAC" && net_namespace "$NS_LNS" && net_namespace "$NS_NET" &&
		ip -n "$NS_LAC" link add access type veth peer name access netns "$NS_LNS" &&
		ip -n "$NS_LNS" link add core type veth peer name core netns "$NS_NET" &&
		ip -n "$NS_LAC" addr add "$LAC_IP/25" dev access &&
		ip -n "$NS_LNS" addr add "$LNS_IP/25" dev access &&
		ip -n "$NS_LNS" addr add "$CORE_IP/24" dev core &&
		ip -n "$NS_NET" addr add "$NET_IP/24" dev core &&
		ip -n "$NS_NET" addr add "$NET_IP_2/24" dev core &&
		ip -n "$NS_LAC" link set access up && ip -n "$NS_LNS" link set access up &&
		ip -n "$NS_LNS" link set core up && ip -n "$NS_NET" link set core up &&
		ip -n "$NS_LNS" route add "$GUEST_NET" via "$LAC_IP" &&
		ip -n "$NS_NET" route add default via "$CORE_IP"
}

# net_receive_in_threads CPUS: the LNS's interfaces receive by themselves on these CPUs, as a network card does. Without it
# veth brings each packet as far as the daemon's socket or TUN device in its sender's time and on its CPU: who is
# busy sending something else delays it.
net_receive_in_threads() {
	local before end pid
	before=$(pgrep '^napi/' | sort)
	for end in access core; do
		in_lns ethtool -K "$end" gro on && in_lns sh -c "echo 1 >/sys/class/net/$end/threaded" || return 1
	done
	for pid in $(comm -13 <(echo "$before") <(pgrep '^napi/' | sort)); do taskset -pc "$1" "$pid" >"$WORK/taskset.log" || return 1; done
}

# ---- processes -----------------------------------------------------------------------------------
STARTED=	# id of the process that start_in started last
NETNS_PIDS=()

# start_in NAMESPACE LOG COMMAND...: in the background; its id is in STARTED.
start_in() {
	local namespace=$1 log=$2
	shift 2
	ip netns exec "$namespace" "$@" >>"$log" 2>&1 </dev/null &
	STARTED=$!
	NETNS_PIDS+=("$STARTED")
}

is_running() { [ -n "${1:-}" ] && kill -0 "$1" 2>/dev/null; }
has_ended() { ! is_running "$1"; }

# end_process PID [SIGNAL [SECONDS]]: ends it and returns its status; 124 when it had to be killed.
# What the shell itself says about a killed child is not for the reader.
end_process() {
	{
		is_running "$1" && kill -s "${2:-TERM}" "$1"
		if ! wait_for "${3:-10}" has_ended "$1"; then
			kill -s KILL "$1"
			wait "$1"
			return 124
		fi
		wait "$1"
	} 2>/dev/null
}

# Whatever still runs in the namespaces was started by this test.
net_down() {
	local namespace pid
	for pid in "${NETNS_PIDS[@]}"; do is_running "$pid" && kill "$pid" 2>/dev/null; done
	for namespace in "$NS_LAC" "$NS_LNS" "$NS_NET"; do
		ip netns pids "$namespace" >/dev/null 2>&1 || continue
		for pid in $(ip netns pids "$namespace"); do kill "$pid" 2>/dev/null; done
		wait_for 3 namespace_is_empty "$namespace" ||
			for pid in $(ip netns pids "$namespace"); do kill -s KILL "$pid" 2>/dev/null; done
		ip netns del "$namespace"
	done
	wait 2>/dev/null
}

namespace_is_empty() { [ -z "$(ip netns pids "$1" 2>/dev/null)" ]; }

# ---- the frame of a test -------------------------------------------------------------------------
WORK=
AT_END=()	# more commands for the trap

# test_begin NAME: directory for logs, namespaces, traps. The script's last command is test_end.
test_begin() {
	[ "$(id -u)" = 0 ] || skip_all "$1" "needs root (network namespaces, TUN)"
	[ -c /dev/net/tun ] || skip_all "$1" "needs /dev/net/tun"
	WORK=$TOP/build/test-logs/$1
	[ "${LNS_PRESET:-release}" = release ] || WORK=$WORK-$LNS_PRESET
	rm -rf "$WORK"
	mkdir -p "$WORK" || exit 1
	trap test_cleanup EXIT
	trap 'exit 130' INT TERM HUP PIPE
	net_up 2>"$WORK/net_up.log" || bail "network namespaces: $(tail -n 1 "$WORK/net_up.log")"
}

test_cleanup() {
	local command
	trap - EXIT
	trap '' INT TERM HUP PIPE
	for command in "${AT_END[@]}"; do $command; done
	net_down 2>/dev/null
}

test_end() {
	tap_end
	exit
}

# ---- seeing and asking ---------------------------------------------------------------------------
udp_is_open() { [ -n "$(ip netns exec "$1" ss -Huln "sport = :$2")" ]; }
tcp_is_open() { [ -n "$(ip netns exec "$1" ss -Htln "sport = :$2")" ]; }

# capture NAMESPACE INTERFACE FILE [FILTER]: tcpdump, running when this returns; its id is in STARTED.
capture() {
	local log=$3.log
	start_in "$1" "$log" tcpdump -i "$2" -U -Z root -B 16384 -s 0 -w "$3" "${4:-}"
	wait_for 10 grep -q 'listening on' "$log"
}

# capture_end PID: with what is still in the kernel's buffer, which it hands over once a second.
capture_end() {
	sleep 1.2
	end_process "$1" INT
}

# ping_all NAMESPACE COUNT ADDRESS [OPTION]...: succeeds when nothing is lost.
ping_all() {
	local namespace=$1 count=$2 address=$3
	shift 3
	ip netns exec "$namespace" ping -q -c "$count" -i 0.05 -W 2 "$@" "$address" | tee -a "$WORK/ping.log" |
		grep -q ', 0% packet loss'
}

rss_kb() { awk '/^VmRSS:/ {print $2}' "/proc/$1/status"; }
