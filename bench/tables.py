"""tables - from the raw lines of bench/compare to medians, ratios, the table of goals, summary.json and plot.svg."""
import json
import os
from functools import partial
from statistics import median


def read(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def iperf_end(text):
    """What the receiver got, from iperf3's JSON."""
    try:
        return json.loads(text)["end"]["sum_received"]
    except (ValueError, KeyError) as why:
        raise SystemExit(f"iperf3: {text[-300:]}") from why


def old_best(raw, otherwise):
    """The highest rate of the original, the lower of its two directions; what to take when nobody searched."""
    rates = [pick(raw, "rate", test="search", dut="old", load=load) for load in ("up64", "down64")]
    return min(median(r) for r in rates) if all(rates) else otherwise


# ---- selecting ---------------------------------------------------------------------------------------------------

def rows(raw, **want):
    return [r for r in raw if all(r.get(k) == v for k, v in want.items())]


def value(row, path):
    for name in path.split("."):
        row = row[name]
    return row


def pick(raw, path, **want):
    return [value(r, path) for r in rows(raw, **want)]


def med(raw, path, **want):
    found = pick(raw, path, **want)
    return median(found) if found else None


def paired(raw, path, over, under):
    """The median over rounds of one figure divided by another of the same round."""
    def by_round(want):
        return {r["round"]: value(r, path) for r in rows(raw, **want)}
    a, b = by_round(over), by_round(under)
    ratios = [a[n] / b[n] for n in a if b.get(n)]
    return median(ratios) if ratios else None


def text(v, digits=0):
    return "-" if v is None else f"{v:,.{digits}f}"


def each(raw, path, **want):
    return [text(med(raw, path, dut=d, **want)) for d in DAEMONS]


def less(raw, path, **want):
    """How many times less than the original new and express need."""
    return [text(paired(raw, path, {"dut": "old", **want}, {"dut": d, **want}), 2) for d in OURS]


def more(raw, path, **want):
    """How many times more than the original they carry."""
    return [text(paired(raw, path, {"dut": d, **want}, {"dut": "old", **want}), 2) for d in OURS]


def table(head, lines):
    cells = [head] + [[str(c) for c in line] for line in lines]
    width = [max(len(line[i]) for line in cells) for i in range(len(head))]
    for line in cells:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, width))))


NS, PER_CORE = "watch.total_ns_per", "mbit_per_core"
OURS = ("new", "express")
DAEMONS = ("old", *OURS)
FULL = ("up64", "down64", "downimix")  # the loads whose highest rate is searched

# ---- the tables ---------------------------------------------------------------------------------------------------


def show_setup(raw):
    setup = rows(raw, test="setup")
    if not setup:
        return
    print("\nSetup with CHAP (CPU per dial; `steady` leaves the slowest 1% of dials out; slow: took more than 0.5 s;\ncalm: 200 dials a second, ms)")
    lines = []
    for level in sorted({r["level"] for r in setup}):
        def f(which, path):
            return med(setup, path, dut=which, level=level)
        lines.append([
            f"{level:,} up", text(scale(f("old", NS)), 1), text(scale(f("new", NS)), 1),
            text(paired(setup, NS, {"dut": "old", "level": level}, {"dut": "new", "level": level}), 2),
            text(f("old", "steady_rate")), text(f("new", "steady_rate")), text(f("new", "rate")),
            text(f("new", "latency.p50_ms"), 1), text(f("new", "latency.p99_ms"), 1),
            text(sum(pick(setup, "stragglers", dut="new", level=level))),
            *[text(med(raw, f"latency.{p}_ms", test="calm", dut=d, level=level), 1)
              for d in ("old", "new") for p in ("p50", "p99")]])
    table(["", "old us", "new us", "old/new", "old steady/s", "new steady/s", "new all/s", "new p50 ms", "p99 ms",
           "slow", "calm old p50", "p99", "calm new p50", "p99"], lines)


def scale(v, by=1000):
    return None if v is None else v / by


def show_memory(raw):
    start = rows(raw, test="start")
    if not start:
        return
    print("\nMemory")
    lines = [[r["world"], text(r["empty_kb"] / 1024, 1), text(r["full_kb"] / 1024, 1), text(per_session(r))]
             for r in sorted(start, key=lambda r: (r["dut"], r["sessions"]))]
    table(["daemon-sessions-tunnels", "empty MB", "full MB", "bytes/session"], lines)


def per_session(row):
    return (row["full_kb"] - row["empty_kb"]) * 1024 / max(row["sessions"], 1)


NAMES = {"up64": "up, 64 B", "down64": "down, 64 B", "downimix": "down, IMIX", "up1400": "up, 1,400 B",
         "down1400": "down, 1,400 B", "mergeup": "up, 1,400 B, one flow", "mergedown": "down, 1,400 B, one flow"}


def show_forward(raw, rate):
    forward = rows(raw, test="forward")
    if not forward:
        return
    print(f"\nForwarding at {rate:,} packets/s, CPU ns per packet; flows that do not merge, and last one flow that does")
    lines = []
    for load, name in NAMES.items():
        for level in sorted({r["level"] for r in rows(forward, load=load)}):
            want = {"load": load, "level": level}
            loss = [max((r["up"]["loss"] + r["down"]["loss"]) for r in rows(forward, dut=d, **want)) * 100
                    if rows(forward, dut=d, **want) else None for d in DAEMONS]
            lines.append([f"{name}, {level:,}", *each(forward, NS, **want), *less(forward, NS, **want),
                          text(paired(forward, NS, {"dut": "new", **want}, {"dut": "new", "load": load, "level": 1}), 2),
                          "/".join(text(v, 2) for v in loss)])
    table(["load, sessions", *DAEMONS, "old/new", "old/express", "new to 1 session", "worst loss %"], lines)


def generator_limited(raw, dut, **want):
    """The generator could not offer more: the rate that was found is not this daemon's highest."""
    return any(r.get("generator_limited") for r in rows(raw, dut=dut, **want))


def core_used(search, dut, load):
    """Percent of the LNS's core at that rate; above 100: a backlog was worked off afterwards."""
    used = [r["rate"] * value(r, NS) / 1e7 for r in rows(search, dut=dut, load=load)]
    return text(median(used) if used else None)


def show_full(raw):
    """Rate and CPU per packet of each daemon at the highest rate of each; the same for summary.json."""
    search, lines = rows(raw, test="search"), []
    if not search:
        return []
    for load in FULL:
        limited = ", ".join(d for d in DAEMONS if generator_limited(search, d, load=load))
        lines.append([NAMES[load], *each(search, "rate", load=load), *more(search, "rate", load=load),
                      *each(search, NS, load=load), *less(search, NS, load=load),
                      "/".join(core_used(search, d, load) for d in DAEMONS),
                      limited and f"{limited}: at least, the generator could not offer more"])
    head = ["load", *[f"{d}/s" for d in DAEMONS], "new/old", "express/old", *[f"{d} ns" for d in DAEMONS], "old/new",
            "old/express", "core %", ""]
    print("\nAt the highest rate of each: packets/s with less than 0.1% loss, 1,000 sessions, and CPU ns per packet there")
    table(head, lines)
    return [dict(zip([*head[:-1], "note"], line)) for line in lines]


def show_rest(raw):
    tcp = rows(raw, test="tcp")
    if tcp:
        print("\ntcp: Mbit per second of CPU")
        table(["", *DAEMONS, "new/old", "express/old", ""],
              [[d, *each(tcp, PER_CORE, dir=d), *more(tcp, PER_CORE, dir=d),
                " / ".join(each(tcp, "mbit", dir=d)) + " Mbit/s"]
               for d in ("up", "down")])
    latency = rows(raw, test="latency")
    if latency:
        print("\nRound trips at half the original's highest rate, ms")
        table(["", "p50", "p90", "p99"], [[w] + [text(med(latency, f"rtt.{p}_ms", dut=w), 3) for p in ("p50", "p90", "p99")]
                                          for w in ("old", "new")])


# ---- goals ----------------------------------------------------------------------------------------------------------

def at_least(goal, figure):
    return None if figure is None else figure >= goal


def at_most(goal, figure):
    return None if figure is None else figure <= goal


def flat(raw, level, limit):
    """The worst of the three loads against one session: a ratio of CPU per packet."""
    forward = rows(raw, test="forward")
    found = [paired(forward, NS, {"dut": "new", "load": load, "level": level},
                    {"dut": "new", "load": load, "level": 1}) for load in ("up64", "down64", "downimix")]
    found = [f for f in found if f is not None]
    worst = max(found) if found else None
    return (f"within {limit:.0%}", worst and f"{worst - 1:+.0%} (worst of 3)", at_most(1 + limit, worst))


def gain(raw, load, goal, dut, test):
    """CPU per packet with 1,000 sessions, at a rate that both carry (forward) or at the highest of each (search)."""
    want = {"test": test, "load": load, "level": 1000}
    figure = paired(raw, NS, {"dut": "old", **want}, {"dut": dut, **want})
    limited = " (all that is offered)" if generator_limited(raw, dut, **want) else ""
    return (f">= {goal}x", figure and f"{figure:.2f}x{limited}", at_least(goal, figure))


def tcp_gain(raw, direction, goal, dut="new"):
    figure = paired(rows(raw, test="tcp"), PER_CORE, {"dut": dut, "dir": direction}, {"dut": "old", "dir": direction})
    return (f">= {goal}x", figure and f"{figure:.2f}x", at_least(goal, figure))


def balance(raw):
    worst = []
    for d in ("up", "down"):
        shares = [r["watch"]["workers_s"] for r in rows(raw, test="balance", workers=2, dir=d)]
        if shares:
            worst.append(median(max(s) / max(min(s), 1e-9) for s in shares))
    figure = max(worst) - 1 if worst else None
    shown = None if figure is None else "one worker idles" if figure > 100 else f"{figure:.1%} (CPU)"
    return ("within 10%", shown, at_most(0.10, figure))


def tail(raw):
    figure = paired(rows(raw, test="latency"), "rtt.p99_ms", {"dut": "new"}, {"dut": "old"})
    return ("<= 1x", figure and f"{figure:.2f}x", at_most(1, figure))


def setup_gain(raw):
    figure = paired(rows(raw, test="setup"), NS, {"dut": "old", "level": 10000}, {"dut": "new", "level": 10000})
    return (">= 2x", figure and f"{figure:.2f}x", at_least(2, figure))


def setup_flat(raw, path, sign):
    setup = rows(raw, test="setup", dut="new")
    levels = sorted({r["level"] for r in setup})
    if len(levels) < 2:
        return ("within 10%", None, None)
    figure = paired(setup, path, {"level": levels[-1]}, {"level": levels[0]})
    worse = (figure - 1) * sign
    return ("within 10%", f"{figure - 1:+.0%} at {levels[-1]:,}", at_most(0.10, worse))


def memory(raw, empty):
    start = rows(raw, test="start", dut="new", workers=1)
    if empty:
        figure = max((r["empty_kb"] / 1024 for r in start), default=None)
        return ("< 60 MB", figure and f"{figure:.1f} MB", at_most(60, figure))
    most = max(start, key=lambda r: r["sessions"], default=None)
    figure = per_session(most) if most and most["sessions"] >= 10000 else None
    return ("< 2,048 B", figure and f"{figure:,.0f} B", at_most(2048, figure))


def forward_goals(name, load, goal):
    """A line for each figure that may reach this goal: at one rate and at the highest of each, new and express."""
    return [(f"{name}, 1,000 sessions{', express' * (dut == 'express')}{how}",
             partial(gain, load=load, goal=goal, dut=dut, test=test))
            for dut in OURS if dut == "new" or load.startswith("down")
            for test, how in (("forward", ""), ("search", ", highest rate"))]


GOALS = (
    *forward_goals("up 64 B UDP", "up64", 1.5),
    *forward_goals("down 64 B UDP", "down64", 2.5),
    *forward_goals("down IMIX", "downimix", 2.3),
    ("inner TCP bulk, up", lambda raw: tcp_gain(raw, "up", 5)),
    ("inner TCP bulk, down", lambda raw: tcp_gain(raw, "down", 4.2)),
    ("inner TCP bulk, down, express", lambda raw: tcp_gain(raw, "down", 4.2, "express")),
    ("ours, 60,000 sessions against 1", lambda raw: flat(raw, 60000, 0.10)),
    ("ours, 1,000,000 sessions against 1", lambda raw: flat(raw, 1000000, 0.20)),
    ("two workers, one tunnel, 1,000 sessions", balance),
    ("p99 round trip at half load, to the original's", tail),
    ("dials per CPU second, 10,000 up", setup_gain),
    ("CPU per dial, 1,000 to the most up", lambda raw: setup_flat(raw, NS, 1)),
    ("dials/s (steady), 1,000 to the most up", lambda raw: setup_flat(raw, "steady_rate", -1)),
    ("memory per session", lambda raw: memory(raw, False)),
    ("memory of an empty daemon", lambda raw: memory(raw, True)),
)


def show_goals(raw):
    print("\nGoals (ratios to the original: medians of the rounds' own ratios)")
    lines = []
    for name, judge in GOALS:
        goal, figure, met = judge(raw)
        lines.append([name, goal, figure or "-", {True: "yes", False: "NO", None: "not measured"}[met]])
    table(["load", "goal", "figure", "reached"], lines)
    return [dict(zip(("load", "goal", "figure", "reached"), line)) for line in lines]


# ---- the plot ---------------------------------------------------------------------------------------------------------

COLOURS = {"old": ("brown", "#b5542a"), "new": ("blue", "#1f6f8b"), "express": ("green", "#4a8b3a")}
WIDTH, HEIGHT, MARGIN = 380, 240, 56


def chart(at, title, unit, series, labels):
    """One group of bars for each label; series: name -> values (None: no bar)."""
    x0, y0 = at
    top = max((v for values in series.values() for v in values if v), default=1)
    group = WIDTH / max(len(labels), 1)
    bar = group * 0.8 / max(len(series), 1)
    out = [f'<text x="{x0}" y="{y0 - 14}" class="t">{title}</text>',
           f'<line x1="{x0}" y1="{y0 + HEIGHT}" x2="{x0 + WIDTH}" y2="{y0 + HEIGHT}" stroke="#888"/>']
    for i, label in enumerate(labels):
        out.append(f'<text x="{x0 + (i + 0.5) * group:.1f}" y="{y0 + HEIGHT + 16}" class="l">{label}</text>')
        for k, (name, values) in enumerate(series.items()):
            if values[i] is None:
                continue
            tall = HEIGHT * 0.9 * values[i] / top
            x = x0 + i * group + group * 0.1 + k * bar
            colour = COLOURS[name.split()[0]][1]
            out.append(f'<rect x="{x:.1f}" y="{y0 + HEIGHT - tall:.1f}" width="{bar * 0.9:.1f}" height="{tall:.1f}" '
                       f'fill="{colour}" fill-opacity="{1 if k % 2 == 0 else 0.6}"><title>{name}</title></rect>')
            out.append(f'<text x="{x + bar * 0.45:.1f}" y="{y0 + HEIGHT - tall - 3:.1f}" class="v">{values[i]:,.0f}</text>')
    for k, name in enumerate(series):
        out.append(f'<text x="{x0 + WIDTH}" y="{y0 + 4 + 12 * k}" class="k">{"solid" if k % 2 == 0 else "pale"} '
                   f'{COLOURS[name.split()[0]][0]}: {name}</text>')
    out.append(f'<text x="{x0}" y="{y0 + HEIGHT + 32}" class="u">{unit}</text>')
    return out


def per_core(v):
    return None if not v else 1e6 / v  # thousand packets per second of CPU


def plot(raw, path):
    forward, balanced, start = (rows(raw, test=t) for t in ("forward", "balance", "start"))
    levels = sorted({r["level"] for r in forward if r["load"] in ("up64", "down64")})
    series = {f"{d} {load}": [per_core(med(forward, NS, dut=d, load=load, level=n)) for n in levels]
              for d in DAEMONS for load in ("up64", "down64") if rows(forward, dut=d, load=load)}
    memory_levels = sorted({r["sessions"] for r in start})
    mega = {d: [med(start, "full_kb", dut=d, sessions=n, workers=1) for n in memory_levels] for d in ("old", "new")}
    mega = {d: [v and v / 1024 for v in values] for d, values in mega.items()}
    workers = sorted({r["workers"] for r in balanced})
    by_workers = {f"new {d}64": [per_core(med(balanced, NS, workers=n, dir=d)) for n in workers] for d in ("up", "down")}
    by_workers_mb = {"new": [scale(med(start, "full_kb", dut="new", sessions=1000, tunnels=1, workers=n), 1024)
                             for n in workers]}
    step_x, step_y = WIDTH + MARGIN, HEIGHT + 2 * MARGIN
    parts = chart((MARGIN, MARGIN), "Throughput against sessions", "thousand packets per second of CPU", series,
                  [f"{n:,}" for n in levels])
    parts += chart((MARGIN + step_x, MARGIN), "Memory against sessions", "MB resident", mega,
                   [f"{n:,}" for n in memory_levels])
    parts += chart((MARGIN, MARGIN + step_y), "Throughput against workers", "thousand packets per second of CPU",
                   by_workers, [str(n) for n in workers])
    parts += chart((MARGIN + step_x, MARGIN + step_y), "Memory against workers, 1,000 sessions", "MB resident",
                   by_workers_mb, [str(n) for n in workers])
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * step_x + MARGIN}" height="{2 * step_y}" '
                'font-family="sans-serif"><style>.t{font-size:14px;font-weight:bold}.l{font-size:10px;text-anchor:'
                'middle}.v{font-size:8px;text-anchor:middle}.k{font-size:9px;text-anchor:end}.u{font-size:10px}</style>'
                '<rect width="100%" height="100%" fill="white"/>' + "\n".join(parts) + "</svg>\n")


def show(raw, out, rate):
    show_setup(raw)
    show_memory(raw)
    show_forward(raw, rate)
    full = show_full(raw)
    show_rest(raw)
    goals = show_goals(raw)
    with open(os.path.join(out, "summary.json"), "w", encoding="utf-8") as f:
        json.dump({"goals": goals, "highest_rates": full, "measurements": len(raw)}, f, indent=1)
    plot(raw, os.path.join(out, "plot.svg"))
