# shellcheck shell=bash
# peers.sh - what runs in the namespaces of netns.sh: our daemon, FreeRADIUS, the load generator and
# a telnet client. Each start returns when the program is ready.

# shellcheck source=test/lib/netns.sh
. "$(dirname "${BASH_SOURCE[0]}")/netns.sh"

LNS_PRESET=${LNS_PRESET:-release}
LNS_BIN=${LNS_BIN:-$TOP/build/$LNS_PRESET/src/l2tpns}
LOADGEN=${LOADGEN:-$TOP/build/release/bench/loadgen}
TUNNEL_SECRET=tunnel-secret
RADIUS_SECRET=radius-secret
POOL=198.18.0.0/16		# addresses from here are the daemon's to give
GATEWAY_IP=203.0.113.1
DNS_1=198.51.100.53
DNS_2=198.51.100.54

# ---- our daemon ----------------------------------------------------------------------------------
LNS_PID=
LNS_ETC=

needs_daemon() {
	[ -x "$LNS_BIN" ] || bail "no daemon at $LNS_BIN: cmake --preset $LNS_PRESET && cmake --build --preset $LNS_PRESET"
}

needs_loadgen() {
	[ -x "$LOADGEN" ] || bail "no load generator at $LOADGEN: cmake --preset release && cmake --build --preset release"
}

# lns_configure [LINE]...: startup-config and ip_pool for the namespace "lns", with these lines at the end.
lns_configure() {
	LNS_ETC=$WORK/etc
	mkdir -p "$LNS_ETC"
	printf '%s\n' \
		"set debug 3" \
		"set log_file \"$WORK/l2tpns.log\"" \
		"set pid_file \"$WORK/l2tpns.pid\"" \
		"set hostname \"lns\"" \
		"set l2tp_secret \"$TUNNEL_SECRET\"" \
		"set bind_address $LNS_IP" \
		"set iftun_address $GATEWAY_IP" \
		"set peer_address $GATEWAY_IP" \
		"set primary_dns $DNS_1" \
		"set secondary_dns $DNS_2" \
		"set radius_authtypes \"chap, pap\"" \
		"set cli_bind_address 127.0.0.1" \
		"set cli_socket \"$WORK/cli.sock\"" \
		"set tundevicename tun0" \
		"$@" >"$LNS_ETC/startup-config"
	echo "$POOL" >"$LNS_ETC/ip_pool"
	: >"$LNS_ETC/users"
}

# lns_subscribers LINE...: the local subscriber file, name:password[:address[:route,...]]
lns_subscribers() {
	printf '%s\n' "$@" >"$LNS_ETC/local_users"
	chmod 600 "$LNS_ETC/local_users"
	grep -q local_users "$LNS_ETC/startup-config" ||
		echo "set local_users \"$LNS_ETC/local_users\"" >>"$LNS_ETC/startup-config"
}

# The sanitizers of this compiler need a memory layout of fewer random bits.
lns_command() {
	case $LNS_PRESET in
	asan | tsan) echo setarch "$(uname -m)" -R "$LNS_BIN" ;;
	*) echo "$LNS_BIN" ;;
	esac
}

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1:halt_on_error=1}

lns_is_ready() {
	has_ended "$LNS_PID" || { udp_is_open "$NS_LNS" 1701 && tcp_is_open "$NS_LNS" 23; }
}

lns_start() {
	# shellcheck disable=SC2046 # a command and its options are words
	start_in "$NS_LNS" "$WORK/l2tpns.out" $(lns_command) -c "$LNS_ETC/startup-config"
	LNS_PID=$STARTED
	wait_for 20 lns_is_ready && is_running "$LNS_PID"
}

lns_start_or_bail() {
	needs_daemon
	lns_start || bail "the daemon does not start: $(tail -n 2 "$WORK/l2tpns.out" "$WORK/l2tpns.log" 2>/dev/null | tr '\n' ' ')"
}

lns_is_alive() { is_running "$LNS_PID"; }

# lns_stop [SIGNAL [SECONDS]]: its exit status; a sanitizer's complaint is one.
lns_stop() {
	end_process "$LNS_PID" "${1:-TERM}" "${2:-15}"
}

cli() { in_lns "$TOP/test/lib/telnet-cli" 127.0.0.1 23 "$@"; }

# cli_counter NAME: the value of that row of `show counters`
cli_counter() {
	cli "show counters" | awk -v name="$1" '$1 == name {value = $2} END {print value + 0}'
}

sessions_up() { cli "show users" | grep -c '[^[:space:]]'; }
sessions_are() { [ "$(sessions_up)" = "$1" ]; }

# ---- FreeRADIUS ----------------------------------------------------------------------------------
# radius_user NAME PASSWORD [ATTRIBUTE]...: one entry of a users file
radius_user() {
	local name=$1 password=$2 separator=''
	shift 2
	printf '%s Cleartext-Password := "%s"\n' "$name" "$password"
	while [ $# -gt 0 ]; do
		printf '%s\t%s' "$separator" "$1"
		separator=$',\n'
		shift
	done
	printf '\n\n'
}

# radius_start NAME ADDRESS USERS-FILE: a server with a configuration of its own; its id is in STARTED.
radius_start() {
	local dir=$WORK/$1 address=$2 users=$3
	mkdir -p "$dir"
	cp "$users" "$dir/users"
	: >"$dir/acct_users"
	printf '%s /usr/share/freeradius/dictionary\n' "\$INCLUDE" >"$dir/dictionary"
	radius_conf "$dir" "$address" >"$dir/radiusd.conf"
	start_in "$NS_NET" "$dir/out" freeradius -d "$dir" -f -l "$dir/log"
	wait_for 15 radius_answers "$address" "$STARTED" || bail "FreeRADIUS: $(tail -n 2 "$dir/log" "$dir/out" | tr '\n' ' ')"
}

radius_answers() {
	has_ended "$2" || [ -n "$(in_net ss -Huln "src $1:1812")" ]
}

radius_conf() {
	cat <<-END
		prefix = /usr
		name = radius
		raddbdir = $1
		logdir = $1
		run_dir = $1
		libdir = /usr/lib/freeradius
		pidfile = $1/pid
		max_request_time = 5
		cleanup_delay = 2
		max_requests = 65536
		hostname_lookups = no
		log {
		  destination = files
		  file = $1/log
		  auth = yes
		}
		security {
		  allow_core_dumps = no
		  reject_delay = 0
		  status_server = yes
		  max_attributes = 200
		}
		thread pool {
		  start_servers = 2
		  max_servers = 4
		  min_spare_servers = 1
		  max_spare_servers = 2
		  max_requests_per_server = 0
		}
		modules {
		  pap {
		  }
		  chap {
		  }
		  files {
		    usersfile = $1/users
		    acctusersfile = $1/acct_users
		  }
		  detail {
		    filename = $1/detail
		    permissions = 0644
		    header = "%t"
		  }
		}
		client lns {
		  ipaddr = $CORE_IP
		  secret = $RADIUS_SECRET
		  require_message_authenticator = yes
		}
		server default {
		  listen {
		    type = auth
		    ipaddr = $2
		    port = 1812
		  }
		  listen {
		    type = acct
		    ipaddr = $2
		    port = 1813
		  }
		  authorize {
		    detail
		    chap
		    files
		    pap
		  }
		  authenticate {
		    Auth-Type PAP {
		      pap
		    }
		    Auth-Type CHAP {
		      chap
		    }
		  }
		  accounting {
		    detail
		  }
		}
	END
}

# ---- the load generator --------------------------------------------------------------------------
# loadgen OPTION...: from the namespace "lac"; one JSON line per result on standard output
loadgen() { in_lac "$LOADGEN" "$@" 2>>"$WORK/loadgen.err" | tee -a "$WORK/loadgen.json"; }

# json_field NAME: of the last line on standard input that has it
json_field() {
	sed -n "s/.*\"$1\": *\"\{0,1\}\([^,\"}]*\).*/\1/p" | tail -n 1
}
