"""lab - what bench/compare measures with: three network namespaces lac - lns - net (those of test/lib/netns.sh), one
daemon, a RADIUS responder and a load generator make a World. Several worlds stand side by side, idle but for the one
that is being measured, so that measurements of all of them can take turns.

    loadgen (LAC_IP) access -- access (LNS_IP) [daemon] core (CORE_IP) -- core (NET_IP) host, RADIUS

The path through the LNS is paid for on the LNS's core: its two interfaces receive in threaded NAPI with GRO, as a busy
network card's driver would; those threads' CPU time is known exactly, like the daemon's own. Whether the far ends
receive on the generator's core is up to veth: bench/README.md.
"""
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NETNS = os.path.join(TOP, "test/lib/netns.sh")
LNS_IP, NET_IP, GATEWAY_IP = "192.0.2.1", "198.51.100.2", "10.0.0.1"
POOL_BASE, POOL = "10.64.0.0", "10.64.0.0/12"
SECRET, RADIUS_SECRET = "tunnelsecret", "radsecret"
OLD_MAX = 59000  # the original's table has 60,000 entries

CONFIG = """set debug {debug}
set log_file "{log}"
set hostname "bench-lns"
set l2tp_secret "{secret}"
set l2tp_mtu 1500
set primary_dns 198.51.100.53
set secondary_dns 198.51.100.54
set primary_radius {net}
set primary_radius_port 1812
set radius_secret "{radius_secret}"
set radius_authtypes "chap,pap"
set radius_accounting no
set allow_duplicate_users yes
set bind_address {lns}
set iftun_address {gateway}
set peer_address {gateway}
set cli_bind_address 127.0.0.1
set send_garp no
set tundevicename tun0
set cluster_interface lo
set echo_timeout {echo}
set idle_echo_timeout {idle}
"""
CONFIG_OLD = """set cluster_address 239.192.13.13
set cluster_hb_interval 5
set cluster_hb_timeout 15
"""
CONFIG_NEW = """set workers {workers}
set users_file "{etc}/users"
set ip_pool_file "{etc}/ip_pool"
"""
CONFIG_EXPRESS = 'set express_interfaces "core"\n'


class Failure(Exception):
    """Something that was needed did not work; the text is for people."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*command, check=True):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def wait_for(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class Lab:
    """Settings, the directory for results, and every world."""

    def __init__(self, out, build, lns_cpu="1", gen_cpu="0"):
        self.out, self.build, self.lns_cpu, self.gen_cpu = out, build, lns_cpu, gen_cpu
        self.worlds, self.made = [], []
        self.one_at_a_time = threading.Lock()
        self.id = os.environ.get("BENCH_ID", f"b{os.getpid()}")  # begins the names of all namespaces
        self.old_root = os.environ.get("OLD_ROOT", "/var/tmp/l2tpns-bench/debian")
        self.echo = int(os.environ.get("ECHO_S", "3600"))  # the keepalive's cost is not what is measured
        self.ours = os.environ.get("OURS", os.path.join(build, "src/l2tpns"))
        os.makedirs(out, exist_ok=True)
        self.raw = open(os.path.join(out, "results.jsonl"), "w", encoding="utf-8")

    def keep(self, **line):
        self.raw.write(json.dumps(line) + "\n")
        self.raw.flush()

    def old_unpack(self):
        """Debian's package, unpacked and never installed."""
        daemon = os.path.join(self.old_root, "usr/sbin/l2tpns")
        if os.access(daemon, os.X_OK):
            return daemon
        os.makedirs(self.old_root, exist_ok=True)
        with tempfile.TemporaryDirectory() as where:
            os.chmod(where, 0o755)
            done = subprocess.run(["apt-get", "download", "-q", "l2tpns", "libcli1.10"], cwd=where,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise Failure(f"cannot download Debian's l2tpns: {done.stderr.strip()}")
            for name in os.listdir(where):
                if name.endswith(".deb"):
                    run("dpkg", "-x", os.path.join(where, name), self.old_root)
        return daemon

    def world(self, which, sessions, tunnels=1, workers=1, ports=0):
        """The world with these properties, made at its first use."""
        for w in self.worlds:
            if (w.which, w.sessions, w.tunnels, w.workers) == (which, sessions, tunnels, workers):
                return w
        w = World(self, which, sessions, tunnels, workers, ports)
        self.worlds.append(w)
        try:
            w.start()
        except BaseException:
            self.end(w)
            raise
        return w

    def end(self, *worlds):
        for w in worlds:
            w.stop()
            self.worlds.remove(w)

    def close(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.end(*list(self.worlds))
        for path in self.made:
            os.rmdir(path)
        self.raw.close()


class World:
    """One daemon with its network and its load generator."""

    def __init__(self, lab, which, sessions, tunnels, workers, ports=0):
        self.lab, self.which, self.sessions, self.tunnels, self.workers = lab, which, sessions, tunnels, workers
        self.name = f"{which}-{sessions}-{tunnels}" + (f"-w{workers}" if workers > 1 else "")
        self.id = f"{lab.id}.{len(lab.worlds)}.{time.monotonic_ns() % 100000}"
        self.config, self.pool, self.radius = "", POOL, ["--pool", POOL_BASE]  # what a special world has else
        self.room = sessions + 20000 if sessions + 20000 <= 65535 * tunnels else sessions
        self.ports = ports  # of the LAC; 0: one for each tunnel
        self.processes, self.napi = [], []
        self.daemon = self.loadgen = None
        self.empty_kb = self.full_kb = 0
        self.cpu = lab.lns_cpu if workers == 1 else f"{lab.gen_cpu},{lab.lns_cpu}"

    def ns(self, part):
        return f"l2tpns-{self.id}-{part}"

    def path(self, name):
        return os.path.join(self.lab.out, f"{self.name}.{name}")

    # ---- the network ----

    def helper(self, function):
        run("bash", "-c", f'NETNS_ID={self.id}; . "{NETNS}"; {function}')

    def inside(self, part, *command, check=True):
        return run("ip", "netns", "exec", self.ns(part), *command, check=check)

    def napi_threads(self):
        return set(run("pgrep", "^napi/", check=False).split())

    def network(self):
        with self.lab.one_at_a_time:  # the NAPI threads that appear are this world's
            self.make_network()

    def make_network(self):
        self.helper("net_up")
        for part, interface in self.ends():
            run("ip", "-n", self.ns(part), "link", "set", interface, "txqueuelen", "10000")
        # veth's ring has only 256 places, fewer than a network card's: what does not fit waits, as it would on a wire
        for part, interface in self.ends():
            self.inside(part, "tc", "qdisc", "add", "dev", interface, "root", "pfifo", "limit", "10000")
        # every packet crosses the wire by itself, as from a real LAC: no super-packets from the generator
        self.inside("lac", "ethtool", "-K", "access", "tx-udp-segmentation", "off", "tso", "off")
        # and with a finished checksum, as from a wire: AF_XDP sees what veth would leave to a network card
        self.inside("net", "ethtool", "-K", "core", "tx-udp-segmentation", "off", "tso", "off", "tx", "off")
        self.napi = self.receive_in_threads(("lns", "access"), ("lns", "core"), cpu=self.cpu)
        if os.environ.get("CORE_UDP_GRO") == "yes":
            self.inside("lns", "ethtool", "-K", "core", "rx-udp-gro-forwarding", "on")
        self.receive_in_threads(("lac", "access"), ("net", "core"), cpu=self.lab.gen_cpu)

    def ends(self):
        return ("lac", "access"), ("lns", "access"), ("lns", "core"), ("net", "core")

    def receive_in_threads(self, *ends, cpu):
        """Threaded NAPI with GRO for these interfaces, on this CPU; the threads' ids."""
        before = self.napi_threads()
        for part, interface in ends:
            self.inside(part, "ethtool", "-K", interface, "gro", "on")
            self.inside(part, "sh", "-c", f"echo 1 >/sys/class/net/{interface}/threaded")
        threads = sorted(self.napi_threads() - before)
        if not threads:
            raise Failure("this kernel has no threaded NAPI for veth")
        for pid in threads:
            run("taskset", "-pc", cpu, pid)
        return threads

    # ---- processes ----

    def spawn(self, part, cpu, log, *command, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", open(self.path(log), "ab"))
        child = subprocess.Popen(["ip", "netns", "exec", self.ns(part), "taskset", "-c", cpu, *command],
                                 stderr=open(self.path(log), "ab"), start_new_session=True, **more)
        self.processes.append(child)
        return child

    def udp_open(self, part, port):
        return self.inside(part, "ss", "-Huln", f"sport = :{port}") != ""

    def start_daemon(self):
        etc = self.path("etc")
        os.makedirs(etc, exist_ok=True)
        text = CONFIG.format(debug=1, log=self.path("log"), secret=SECRET, radius_secret=RADIUS_SECRET, lns=LNS_IP,
                             net=NET_IP, gateway=GATEWAY_IP, echo=self.lab.echo, idle=2 * self.lab.echo)
        text += CONFIG_OLD if self.which == "old" else CONFIG_NEW.format(workers=self.workers, etc=etc)
        text += CONFIG_EXPRESS if self.which == "express" else ""
        text += self.config
        for name, content in (("startup-config", text), ("ip_pool", self.pool + "\n"), ("users", "")):
            with open(os.path.join(etc, name), "w", encoding="utf-8") as f:
                f.write(content)
        if self.which == "old":
            self.start_old(etc)
        else:
            with self.lab.one_at_a_time:  # the threads of its TUN device are this world's, too
                self.start_ours(etc)
        if not wait_for(10, lambda: self.udp_open("lns", 1701) or self.daemon.poll() is not None) or \
                self.daemon.poll() is not None:
            raise Failure(f"{self.name}: the daemon does not start (status {self.daemon.poll()}), see {self.path('out')} and {self.path('log')}")
        time.sleep(2)  # the original takes its time to become master of its cluster
        self.empty_kb = self.rss_kb()

    def start_ours(self, etc):
        before = self.napi_threads()
        self.daemon = self.spawn("lns", self.cpu, "out", self.lab.ours, "-c", f"{etc}/startup-config")
        wait_for(10, lambda: self.udp_open("lns", 1701) or self.daemon.poll() is not None)
        new = sorted(self.napi_threads() - before)
        for pid in new:
            run("taskset", "-pc", self.cpu, pid)
        self.napi += new

    def start_old(self, etc):
        daemon = self.lab.old_unpack()
        if not os.path.isdir("/etc/l2tpns"):
            os.mkdir("/etc/l2tpns")
            self.lab.made.append("/etc/l2tpns")
        found = run("find", self.lab.old_root, "-name", "libcli.so*").split()
        script = ("ip route replace 239.0.0.0/8 dev lo; ip link set lo multicast on; mount --make-rprivate / && "
                  f"mount --bind '{etc}' /etc/l2tpns && LD_LIBRARY_PATH='{os.path.dirname(found[0])}' "
                  f"exec '{daemon}' -c /etc/l2tpns/startup-config")
        self.daemon = self.spawn("lns", self.cpu, "out", "sh", "-c", script)

    def rss_kb(self):
        with open(f"/proc/{self.daemon.pid}/status", encoding="utf-8") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def start_loadgen(self):
        self.spawn("net", self.lab.gen_cpu, "radius", os.path.join(self.lab.build, "bench/radius-responder"),
                   "--bind", NET_IP, "--secret", RADIUS_SECRET, *self.radius)
        if not wait_for(5, lambda: self.udp_open("net", 1812)):
            raise Failure("no RADIUS responder")
        watch = [word for pid in self.napi for word in ("--watch-thread", pid)]
        cpu = self.lab.gen_cpu if self.workers == 1 else self.cpu
        command = [os.path.join(self.lab.build, "bench/loadgen"), "--interactive", "--netns", self.ns("lac"),
                   "--core-netns", self.ns("net"), "--lns", LNS_IP, "--core-addr", NET_IP, "--secret", SECRET,
                   "--auth", "chap", "--sessions", str(self.room), "--tunnels", str(self.tunnels),
                   *(["--ports", str(self.ports)] if self.ports else []),
                   "--watch-pid", str(self.daemon.pid), *watch]
        self.loadgen = subprocess.Popen(["taskset", "-c", cpu, *command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(self.path("loadgen"), "ab"),
                                        env={**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
                                        start_new_session=True, text=True, bufsize=1)
        self.processes.append(self.loadgen)

    def start(self):
        say(f"  starting {self.name}")
        self.network()
        self.start_daemon()
        self.start_loadgen()
        up = self.step(f"up:sessions={self.sessions}", 900)
        if up["up_now"] < self.sessions:
            say(f"  {self.name}: only {up['up_now']} sessions are up: {up['failures']}")
        self.full_kb = self.rss_kb()
        self.lab.keep(test="start", world=self.name, dut=self.which, sessions=up["up_now"], tunnels=self.tunnels,
                      workers=self.workers, empty_kb=self.empty_kb, full_kb=self.full_kb, up=up)

    def begin_step(self, text):
        try:
            self.loadgen.stdin.write(text + "\n")
            self.loadgen.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{self.name}: the load generator has ended, see {self.path('loadgen')}") from None

    def end_step(self, timeout=120):
        if not select.select([self.loadgen.stdout], [], [], timeout)[0]:
            raise Failure(f"{self.name}: no result within {timeout} s")
        line = self.loadgen.stdout.readline()
        if not line:
            raise Failure(f"{self.name}: the load generator has ended, see {self.path('loadgen')}")
        return json.loads(line)

    def step(self, text, timeout=120):
        """One step of the load generator; its result."""
        self.begin_step(text)
        return self.end_step(timeout)

    def cli(self, command):
        return self.inside("lns", os.path.join(TOP, "test/lib/telnet-cli"), "127.0.0.1", "23", command, check=False)

    def stop(self):
        # the daemon first: nobody needs to be told about its sessions
        for child in [self.daemon, self.loadgen, *self.processes]:
            if child is None or child.poll() is not None:
                continue
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.helper("net_down || true")


def prepare(build, default_build):
    """Packages, build, tools. Ends the program with a text when something is missing."""
    if os.geteuid() != 0:
        sys.exit("must be root: it makes network namespaces")
    if (os.cpu_count() or 1) < 2:
        sys.exit("two CPUs are needed, one for the daemon and one for the generator")
    if build == default_build:
        if subprocess.run([os.path.join(TOP, "test/lib/install-deps"), "build", "bench"], stdout=sys.stderr).returncode:
            sys.exit("packages are missing, see above")
        for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
            done = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                sys.exit(f"{done.stdout[-3000:]}\nthe build failed")
    for tool in ("ip", "ethtool", "taskset", "ss", "iperf3", "pgrep"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: test/lib/install-deps bench")
