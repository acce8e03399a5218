#!/bin/sh
# Holds the rules of the layers (ARCHITECTURE.md). Every finding is printed as file:line: text.
#
#   layering.sh includes DIR       includes of DIR/**.[ch] go downwards; pure layers use few headers
#   layering.sh calls DIR          no banned call or word in DIR/**.[ch]
#   layering.sh purity LIB...      static libraries: no system call, no writable global
#   layering.sh members FILE...    sources of pure libraries (below src/) are named as pure
#   layering.sh selftest BAD_LIB   each of the above finds what is wrong in a wrong tree
#
# Exit status 0: nothing found, 1: something found, 2: wrong use.
set -u
LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)

sources() { (cd "$1" && find . -name '*.[ch]' -o -name '*.def' | sed 's,^\./,,' | sort); }

# Prints "file:line:code" with comments and the contents of strings blanked out.
code_of() {
	(cd "$1" && sources . | while read -r file; do
		awk -v file="$file" '
		{
			line = $0; out = ""
			while (line != "") {
				if (comment) {
					at = index(line, "*/")
					if (!at) { line = ""; break }
					line = substr(line, at + 2); comment = 0; continue
				}
				if (match(line, /^"([^"\\]|\\.)*"/) && $0 !~ /^[ \t]*#[ \t]*include/) {
					out = out "\"\""; line = substr(line, RLENGTH + 1); continue
				}
				if (match(line, /^\047([^\047\\]|\\.)+\047/)) {
					out = out "0"; line = substr(line, RLENGTH + 1); continue
				}
				two = substr(line, 1, 2)
				if (two == "//") break
				if (two == "/*") { comment = 1; line = substr(line, 3); continue }
				out = out substr(line, 1, 1); line = substr(line, 2)
			}
			if (out != "") print file ":" NR ":" out
		}' "$file"
	done)
}

includes() {
	code_of "$1" | awk -v table="$here/layers.txt" '
	BEGIN {
		while ((getline line < table) > 0) {
			if (line ~ /^#/ || line ~ /^$/) continue
			split(line, field, " ")
			n++; pattern[n] = field[1]; layer_of[n] = field[2]; group_of[n] = field[3]
		}
		pure = 3
		split("stdarg stdatomic stdbool stddef stdint string strings stdio stdlib limits inttypes ctype", word, " ")
		for (i in word) allowed["<" word[i] ".h>"] = 1
		allowed["base/rcu.c<urcu/urcu-qsbr.h>"] = 1
		allowed["base/rcu.c<sched.h>"] = 1
		allowed["base/crypto.c<nettle/hmac.h>"] = 1
		allowed["base/crypto.c<nettle/md5.h>"] = 1
		allowed["base/crypto.c<nettle/memops.h>"] = 1
	}
	function find(path, i) {
		for (i = 1; i <= n; i++) if (path ~ pattern[i]) return i
		return 0
	}
	function bad(what) { print where ": " what; found = 1 }
	{
		split($0, part, ":"); file = part[1]; where = file ":" part[2]
		code = substr($0, length(where) + 2)
	}
	code !~ /^[ \t]*#[ \t]*include/ { next }
	{
		target = code; sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target); sub(/[ \t]*$/, "", target)
		me = find(file)
		if (!me) { bad("no layer is named for this file (layers.txt)"); next }
		if (target ~ /^</) {
			if (layer_of[me] <= pure && !(target in allowed) && !((file target) in allowed))
				bad(target " does not belong below the shells")
			next
		}
		gsub(/"/, "", target)
		it = find(target)
		if (!it) bad("\"" target "\" is in no layer: write the path below src/")
		else if (layer_of[it] > layer_of[me])
			bad("includes \"" target "\" of a higher layer (" group_of[me] " -> " group_of[it] ")")
		else if (layer_of[it] == layer_of[me] && group_of[it] != group_of[me])
			bad("includes its sibling \"" target "\" (" group_of[me] " -> " group_of[it] ")")
	}
	END { exit found }'
}

calls() {
	code_of "$1" | awk '
	BEGIN {
		n = split("strcpy strcat sprintf vsprintf gets atoi atol atoll rand srand random drand48 " \
			"time gettimeofday localtime gmtime ctime strtok alloca setjmp longjmp system popen " \
			"inet_addr inet_ntoa inet_aton tmpnam mktemp usleep", call, " ")
		# The wall clock, for the eyes of people.
		named["control/cli.c:time"] = named["control/cli_status.c:time"] = named["nsctl.c:time"] = 1
	}
	{
		split($0, part, ":"); where = part[1] ":" part[2]; code = substr($0, length(where) + 2)
		for (i = 1; i <= n; i++) {
			rest = code
			while (match(rest, "(^|[^A-Za-z0-9_])" call[i] "[ \t]*\\(")) {
				before = substr(rest, 1, RSTART)
				# A member of a struct (env->random) and a declaration of one are not the call.
				if (before !~ /(->|\.)$/ && before !~ /\(\*$/ && !((part[1] ":" call[i]) in named)) {
					print where ": " call[i] "() is not used here"; found = 1
				}
				rest = substr(rest, RSTART + RLENGTH)
			}
		}
		if (code ~ /(^|[^A-Za-z0-9_])volatile([^A-Za-z0-9_]|$)/) {
			print where ": volatile is not for threads; use C11 atomics"; found = 1
		}
		if (code ~ /(^|[^A-Za-z0-9_])(TODO|FIXME|XXX)([^A-Za-z0-9_]|$)/) {
			print where ": unfinished"; found = 1
		}
	}
	END { exit found }'
}

# What the C library may do for pure code: move bytes, make text of numbers, sort.
PURE_CALLS='memcpy memmove memset memcmp memchr memmem memrchr strlen strnlen strcmp strncmp strchr strrchr strcspn strspn
strstr strpbrk strcasecmp strncasecmp snprintf vsnprintf strtoul strtoull strtol strtoll __isoc23_strtoul __isoc23_strtol
__isoc23_strtoull __isoc23_strtoll qsort bsearch __stack_chk_fail explicit_bzero __explicit_bzero_chk bcmp
__memcpy_chk __memmove_chk __memset_chk __snprintf_chk __vsnprintf_chk __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc
tolower toupper _GLOBAL_OFFSET_TABLE_'
# object:symbol that one object alone may use: what the processor can do, the panic of base, the libraries behind rcu
# and crypto.
NAMED_CALLS='dp_checksum.c.o:__cpu_model panic.c.o:abort panic.c.o:fprintf panic.c.o:__fprintf_chk panic.c.o:stderr panic.c.o:fwrite
rcu.c.o:urcu_qsbr_* rcu.c.o:sched_yield crypto.c.o:nettle_*'

purity() {
	tmp=$(mktemp -d) || exit 2
	trap 'rm -rf "$tmp"' EXIT
	for lib in "$@"; do
		[ -f "$lib" ] || { echo "$lib: not there"; return 1; }
		nm -A -P "$lib" | sed 's/^.*\[\(.*\)\]: /\1 /' >>"$tmp/symbols"
		objdump -t "$lib" | awk -v lib="${lib##*/}" '
			/file format/ { object = $1; sub(/:$/, "", object) }
			$0 ~ / [lg]     O / || $0 ~ / [lgu]    *O / { print lib, object, $0 }' >>"$tmp/objects"
	done
	[ -s "$tmp/symbols" ] || { echo "no symbols in $*"; return 1; }
	awk -v pure="$PURE_CALLS" -v named="$NAMED_CALLS" '
	BEGIN {
		n = split(pure, word, /[ \n]+/); for (i = 1; i <= n; i++) allowed[word[i]] = 1
		n_named = split(named, exception, /[ \n]+/)
	}
	function is_named(object, symbol, i, text) {
		text = object ":" symbol
		for (i = 1; i <= n_named; i++) {
			if (exception[i] == text) return 1
			if (exception[i] ~ /\*$/ && index(text, substr(exception[i], 1, length(exception[i]) - 1)) == 1) return 1
		}
		return 0
	}
	$3 != "U" { defined[$2] = 1; next }
	{ used[++m] = $1 " " $2 }
	END {
		for (i = 1; i <= m; i++) {
			split(used[i], field, " ")
			if (!(field[2] in defined) && !(field[2] in allowed) && !is_named(field[1], field[2])) {
				print field[1] ": calls " field[2] ", which is not pure"; found = 1
			}
		}
		exit found
	}' "$tmp/symbols"
	calls_found=$?
	# Sections that are written at run time; .data.rel.ro is constant after the start.
	awk '{
		for (i = 1; i <= NF; i++) if ($i ~ /^\.(data|bss|tdata|tbss)/ && $i !~ /^\.data\.rel\.ro/) {
			print $2 " (" $1 "): writable global " $NF; found = 1
		}
	}
	END { exit found }' "$tmp/objects"
	[ $? -eq 0 ] && [ $calls_found -eq 0 ]
}

members() {
	printf '%s\n' "$@" | awk -v table="$here/layers.txt" '
	BEGIN {
		while ((getline line < table) > 0)
			if (line !~ /^#/ && line !~ /^$/) {
				split(line, field, " "); n++; pattern[n] = field[1]; layer_of[n] = field[2]
			}
	}
	{
		layer = 99
		for (i = n; i >= 1; i--) if ($0 ~ pattern[i]) layer = layer_of[i]
		if (layer > 3) { print $0 ":1: in a pure library, but not pure in layers.txt"; found = 1 }
	}
	END { exit found }'
}

# expect TEXT...: every TEXT is a line of <output>; no other line is.
expect() {
	for line in "$@"; do
		printf '%s\n' "$output" | grep -qxF -- "$line" || { echo "selftest: not found: $line"; failed=1; }
	done
	[ "$(printf '%s\n' "$output" | grep -c .)" -eq $# ] || {
		echo "selftest: expected $# findings, got:"
		printf '%s\n' "$output"
		failed=1
	}
}

selftest() {
	bad=$(mktemp -d) || exit 2
	trap 'rm -rf "$bad"' EXIT
	failed=0
	mkdir -p "$bad/base" "$bad/ppp" "$bad/dataplane" "$bad/control"
	printf '#include "l2tp/l2tp.h"\n#include <stdint.h>\n#include <unistd.h>\n' >"$bad/base/a.c"
	printf '#include "base/a.h"\n#include "radius/rad.h"\n#include "ppp/x.h"\n#include "b.h"\n' >"$bad/ppp/b.c"
	printf '#include "control/core.h"\n/* #include "main.h" */\n' >"$bad/dataplane/session_shard.c"
	printf '#include "base/a.h"\n' >"$bad/stray.c"
	output=$(includes "$bad") && { echo "selftest: includes found nothing"; failed=1; }
	expect 'base/a.c:1: includes "l2tp/l2tp.h" of a higher layer (base -> l2tp)' \
		'base/a.c:3: <unistd.h> does not belong below the shells' \
		'ppp/b.c:2: includes its sibling "radius/rad.h" (ppp -> radius)' \
		'ppp/b.c:4: "b.h" is in no layer: write the path below src/' \
		'dataplane/session_shard.c:1: includes its sibling "control/core.h" (shard -> core)' \
		'stray.c:1: no layer is named for this file (layers.txt)'
	rm "$bad/stray.c"

	cat >"$bad/control/c.c" <<-'END'
		/* strcpy(a, b) in a comment,
		 * time(NULL) in its second line */
		log("sprintf(no)"); env->random(ctx); x.time(1); my_time(2); // rand()
		strcpy(a, b); n = time(NULL); char q = '"'; atoi("1");
		static volatile int v;
	END
	rm -f "$bad"/*/[ab].c "$bad/dataplane/session_shard.c"
	output=$(calls "$bad") && { echo "selftest: calls found nothing"; failed=1; }
	expect 'control/c.c:4: strcpy() is not used here' 'control/c.c:4: atoi() is not used here' \
		'control/c.c:4: time() is not used here' \
		'control/c.c:5: volatile is not for threads; use C11 atomics'

	output=$(members base/ring.c control/loop.c) && { echo "selftest: members found nothing"; failed=1; }
	expect 'control/loop.c:1: in a pure library, but not pure in layers.txt'

	lib=$1
	output=$( (purity "$lib") ) && { echo "selftest: purity found nothing"; failed=1; }
	output=$(printf '%s\n' "$output" | sed 's/^[a-z_]*\.c\.o\(bj\)\{0,1\}//; s/ ([^)]*)//')
	expect ': calls getenv, which is not pure' ': writable global counter' \
		': writable global table'
	return $failed
}

[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
what=$1
shift
case $what in
includes | calls) "$what" "$1" || exit 1 ;;
purity | members | selftest) "$what" "$@" || exit 1 ;;
*) exit 2 ;;
esac
