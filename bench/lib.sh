# lib.sh - what the measuring scripts share: three network namespaces lac - lns - net on one
# machine, a RADIUS responder, and the two daemons that are compared. Sourced, not run. Everything
# it makes carries $ID and is removed by bench_cleanup (a trap on EXIT).
#
#   loadgen (LAC_IP) lac0 -- acc0 (LNS_IP) [daemon] core0 (CORE_IP) -- net0 (NET_IP) host, RADIUS
#
# The path through the LNS is paid for on the LNS's core: receive processing of its two interfaces
# is done there (by threaded NAPI with GRO, as a busy NIC's, or by RPS), that of the far ends on
# the other core. With NAPI threads their CPU time is known exactly, like the daemon's own.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ID=${BENCH_ID:-$$}
BUILD=${BUILD:-$HERE/../build/release}
OUT=${OUT:-/tmp/l2tpns-bench-$ID}
NS_LAC=lb_lac_$ID NS_LNS=lb_lns_$ID NS_NET=lb_net_$ID
LAC_IP=192.0.2.2 LNS_IP=192.0.2.1 CORE_IP=198.51.100.1 NET_IP=198.51.100.2
GW_IP=10.0.0.1 POOL_BASE=10.64.0.0 POOL=10.64.0.0/14
SECRET=tunnelsecret RADIUS_SECRET=radsecret
LNS_CPU=${LNS_CPU:-1} GEN_CPU=${GEN_CPU:-0}
RX=${RX:-napi}              # threaded NAPI and GRO, or rps
ADDRESSES=${ADDRESSES:-radius} # radius: Framed-IP-Address; pool: the daemon's own
LOADGEN=$BUILD/bench/loadgen RESPONDER=$BUILD/bench/radius-responder
OURS=${OURS:-$BUILD/src/l2tpns}
OLD_ROOT=${OLD_ROOT:-/var/tmp/l2tpns-bench/debian}
DUT_PID= RADIUS_PID= MADE_DIRS= WATCH=

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
in_lac() { ip netns exec "$NS_LAC" "$@"; }
in_lns() { ip netns exec "$NS_LNS" "$@"; }
in_net() { ip netns exec "$NS_NET" "$@"; }
retry() { # retry SECONDS COMMAND...
	local n=$(($1 * 20))
	shift
	until "$@"; do
		n=$((n - 1))
		[ $n -gt 0 ] || return 1
		sleep 0.05
	done
}

# ---- namespaces -------------------------------------------------------------------------------

# Where packets that arrive at an interface are worked on. napi: only what a peer without TSO
# sends takes that way (veth's rule); it is seen by GRO, as in a network card's driver.
steer_rps() { # NAMESPACE INTERFACE CPU
	ip netns exec "$1" sh -c "echo $(printf '%x' $((1 << $3))) >/sys/class/net/$2/queues/rx-0/rps_cpus"
}
steer_napi() { # NAMESPACE INTERFACE CPU
	local pid
	ip netns exec "$1" ethtool -K "$2" gro on >/dev/null 2>&1
	ip netns exec "$1" sh -c "echo 1 >/sys/class/net/$2/threaded" 2>/dev/null ||
		die "this kernel has no threaded NAPI for veth: use RX=rps"
	for pid in $(pgrep "^napi/$2-"); do
		taskset -pc "$3" "$pid" >/dev/null
		WATCH="$WATCH --watch-thread $pid"
	done
}

net_up() {
	local ns
	for ns in $NS_LAC $NS_LNS $NS_NET; do
		ip netns add "$ns" && ip -n "$ns" link set lo up || return 1
		ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.all.disable_ipv6=1 2>/dev/null
	done
	# names unique on the machine: the NAPI threads are found by them
	local s=${ID: -4}
	LAC_IF=lac$s ACC_IF=acc$s CORE_IF=cor$s NET_IF=net$s
	ip -n $NS_LAC link add $LAC_IF numrxqueues 1 numtxqueues 1 type veth \
		peer name $ACC_IF numrxqueues 1 numtxqueues 1 netns $NS_LNS &&
		ip -n $NS_LNS link add $CORE_IF numrxqueues 1 numtxqueues 1 type veth \
			peer name $NET_IF numrxqueues 1 numtxqueues 1 netns $NS_NET || return 1
	ip -n $NS_LAC addr add $LAC_IP/24 dev $LAC_IF
	ip -n $NS_LNS addr add $LNS_IP/24 dev $ACC_IF
	ip -n $NS_LNS addr add $CORE_IP/24 dev $CORE_IF
	ip -n $NS_NET addr add $NET_IP/24 dev $NET_IF
	ip -n $NS_LAC link set $LAC_IF txqueuelen 10000 up
	ip -n $NS_LNS link set $ACC_IF txqueuelen 10000 up
	ip -n $NS_LNS link set $CORE_IF txqueuelen 10000 up
	ip -n $NS_NET link set $NET_IF txqueuelen 10000 up
	ip -n $NS_NET route add 10.0.0.0/8 via $CORE_IP
	# every packet crosses the wire by itself, as from a real LAC: no super-packets from the generator
	in_lac ethtool -K $LAC_IF tx-udp-segmentation off tso off >/dev/null 2>&1
	in_net ethtool -K $NET_IF tx-udp-segmentation off tso off >/dev/null 2>&1
	steer_$RX $NS_LNS $ACC_IF $LNS_CPU
	steer_$RX $NS_LNS $CORE_IF $LNS_CPU
	steer_rps $NS_LAC $LAC_IF $GEN_CPU
	steer_rps $NS_NET $NET_IF $GEN_CPU
}

net_down() {
	local ns
	for ns in $NS_LAC $NS_LNS $NS_NET; do ip netns del "$ns" 2>/dev/null; done
	return 0
}

# ---- RADIUS -----------------------------------------------------------------------------------

radius_start() {
	local pool=()
	[ "$ADDRESSES" = radius ] && pool=(--pool $POOL_BASE)
	# no shell function here: $! must be the program itself
	ip netns exec "$NS_NET" taskset -c "$GEN_CPU" "$RESPONDER" --bind $NET_IP --secret $RADIUS_SECRET "${pool[@]}" \
		"$@" >>"$OUT/radius.json" 2>>"$OUT/radius.log" &
	RADIUS_PID=$!
	retry 5 in_net sh -c "ss -Huln 'sport = :1812' | grep -q ." || die "no RADIUS responder"
}
radius_stop() {
	[ -n "$RADIUS_PID" ] || return 0
	kill "$RADIUS_PID" 2>/dev/null
	wait "$RADIUS_PID" 2>/dev/null
	RADIUS_PID=
}

# ---- the daemons ------------------------------------------------------------------------------

# Debian's package, unpacked and never installed
old_unpack() {
	[ -x "$OLD_ROOT/usr/sbin/l2tpns" ] && return
	local d
	d=$(mktemp -d) && chmod 755 "$d" && mkdir -p "$OLD_ROOT"
	(cd "$d" && apt-get download -q l2tpns libcli1.10 >&2) || die "cannot download Debian's l2tpns"
	for f in "$d"/*.deb; do dpkg -x "$f" "$OLD_ROOT"; done
	rm -rf "$d"
}

dut_config() { # what both daemons understand
	cat <<-CONFIG
		set debug ${DEBUG:-1}
		set log_file "$OUT/$1.log"
		set hostname "bench-lns"
		set l2tp_secret "$SECRET"
		set l2tp_mtu 1500
		set primary_dns 198.51.100.53
		set secondary_dns 198.51.100.54
		set primary_radius $NET_IP
		set primary_radius_port 1812
		set radius_secret "$RADIUS_SECRET"
		set radius_authtypes "${AUTHTYPES:-chap,pap}"
		set radius_accounting ${ACCOUNTING:-no}
		set allow_duplicate_users yes
		set bind_address $LNS_IP
		set iftun_address $GW_IP
		set peer_address $GW_IP
		set cli_bind_address 127.0.0.1
		set send_garp no
		set tundevicename tun0
		set cluster_interface lo
		set echo_timeout ${ECHO:-120}
		set idle_echo_timeout 600
	CONFIG
}

# dut_start old|new: on its core, DUT_PID is the daemon
dut_start() {
	local which=$1 etc=$OUT/$1.etc lib
	mkdir -p "$etc"
	dut_config "$which" >"$etc/startup-config"
	echo "$POOL" >"$etc/ip_pool"
	: >"$etc/users"
	if [ "$which" = old ]; then
		old_unpack
		cat >>"$etc/startup-config" <<-CONFIG
			set cluster_address 239.192.13.13
			set cluster_hb_interval 5
			set cluster_hb_timeout 15
		CONFIG
		lib=$(dirname "$(find "$OLD_ROOT" -name 'libcli.so*' | head -1)")
		[ -d /etc/l2tpns ] || { mkdir /etc/l2tpns && MADE_DIRS="$MADE_DIRS /etc/l2tpns"; }
		# a session of its own: at its end the original sends SIGTERM to its whole process group
		setsid ip netns exec "$NS_LNS" sh -c "ip route replace 239.0.0.0/8 dev lo; ip link set lo multicast on
			mount --make-rprivate / && mount --bind '$etc' /etc/l2tpns
			LD_LIBRARY_PATH='$lib' exec taskset -c $LNS_CPU \
				'$OLD_ROOT/usr/sbin/l2tpns' -c /etc/l2tpns/startup-config" \
			>"$OUT/old.out" 2>&1 </dev/null &
	else
		[ -x "$OURS" ] || die "$OURS is not built"
		cat >>"$etc/startup-config" <<-CONFIG
			set workers ${WORKERS:-1}
			set users_file "$etc/users"
			set ip_pool_file "$etc/ip_pool"
		CONFIG
		setsid ip netns exec "$NS_LNS" taskset -c "$LNS_CPU" "$OURS" -c "$etc/startup-config" \
			>"$OUT/new.out" 2>&1 </dev/null &
	fi
	DUT_PID=$!
	retry 10 dut_listens || { tail -3 "$OUT/$which.out" "$OUT/$which.log" >&2; die "$which: does not listen"; }
	sleep "${SETTLE:-2}" # the original takes its time to become master of its cluster
}
dut_listens() { in_lns ss -Huln 'sport = :1701' | grep -q . && kill -0 "$DUT_PID" 2>/dev/null; }
dut_stop() {
	[ -n "$DUT_PID" ] || return 0
	kill -TERM "$DUT_PID" 2>/dev/null
	local n=0
	while kill -0 "$DUT_PID" 2>/dev/null && [ $n -lt 60 ]; do
		n=$((n + 1))
		sleep 0.05
	done
	kill -KILL "$DUT_PID" 2>/dev/null
	wait "$DUT_PID" 2>/dev/null
	DUT_PID=
}

# gen SESSIONS TUNNELS [options] STEP...: JSON on stdout, text into gen.log
gen() {
	local sessions=$1 tunnels=$2
	shift 2
	taskset -c "$GEN_CPU" "$LOADGEN" --netns $NS_LAC --core-netns $NS_NET --lns $LNS_IP \
		--core-addr $NET_IP --secret $SECRET --auth chap --sessions "$sessions" \
		--tunnels "$tunnels" --watch-pid "$DUT_PID" --watch-cpu "$LNS_CPU" $WATCH ${GEN_OPTIONS:-} "$@" \
		2>>"$OUT/gen.log"
}

# ---- begin and end ----------------------------------------------------------------------------

bench_cleanup() {
	local d
	trap - EXIT INT TERM
	dut_stop
	radius_stop
	net_down
	for d in $MADE_DIRS; do rmdir "$d" 2>/dev/null; done
	return 0
}
bench_setup() {
	local tool
	[ "$(id -u)" = 0 ] || die "must be root: it makes network namespaces"
	if [ "$BUILD" = "$HERE/../build/release" ]; then
		"$HERE/../test/lib/install-deps" build bench >&2 || die "packages are missing, see above"
		(cd "$HERE/.." && cmake --preset release && cmake --build --preset release) \
			>/tmp/l2tpns-bench-build-$ID.log 2>&1 || die "does not build: /tmp/l2tpns-bench-build-$ID.log"
		rm -f /tmp/l2tpns-bench-build-$ID.log
	fi
	for tool in ip ethtool taskset ss jq; do
		command -v $tool >/dev/null || die "$tool is missing (Debian: iproute2 ethtool util-linux jq)"
	done
	[ -x "$LOADGEN" ] || die "$LOADGEN is not built: cmake --build $BUILD"
	[ "$(nproc)" -gt 1 ] || die "two CPUs are needed, one for the daemon and one for the generator"
	mkdir -p "$OUT"
	trap bench_cleanup EXIT
	trap 'exit 130' INT TERM
	net_up || die "cannot make network namespaces"
	radius_start
}
