# shellcheck shell=bash
# progress.sh - long commands: output into a log, a sign of life now and then, no orphans.

CHILDREN=() # process ids; with a minus: the whole group of that one

# Background children ignore the terminal's interrupt: they are ended by hand, by their ids.
end_children() {
	local pid
	for pid in "${CHILDREN[@]}"; do kill -- "$pid"; done 2>/dev/null
	for pid in "${CHILDREN[@]}"; do wait "${pid#-}"; done 2>/dev/null
}

is_alive() { kill -0 "$1" 2>/dev/null; }

# with_progress LOG COMMAND...
with_progress() {
	local log=$1 since=$SECONDS next=20 pid
	shift
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	CHILDREN+=("$pid")
	while is_alive "$pid"; do
		sleep 0.2
		if [ $((SECONDS - since)) -ge $next ]; then
			printf '        ... %d s: %s\n' $((SECONDS - since)) "$(tail -n 1 "$log" | cut -c1-90)"
			next=$((next + 20))
		fi
	done
	wait "$pid"
}

# show_log FILE [LINES]
show_log() {
	printf -- '---- end of %s\n' "$1"
	tail -n "${2:-40}" "$1" | sed 's/^/     | /'
}
