"""A real keeper with real pods and stand-in parts."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from tidegate.keeper.proc import mark_of, read_stat
from tidegate.kit.home import Home
from tidegate.link.frames import Lines, decode_line, encode_line
from tidegate.link.keeper_call import KeeperCall, NoEngine, Refused
from tidegate.link.keeper_start import KeeperNotStarted, keeper_command, start_keeper
from tidegate.link.unix import connect_unix

pytestmark = pytest.mark.live

GATEWAY = """
import json, os, select, signal, socket
from pathlib import Path
from tidegate.kit.home import Home
from tidegate.link.sockets import send_sockets
from tidegate.link.unix import listen_unix
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
held = {n: socket.socket(fileno=fd) for n, fd in json.loads(os.environ["TIDEGATE_FDS"]).items()}
asked = listen_unix(Home(Path(os.environ["TIDEGATE_HOME"])).sockets_socket)
while True:
    for sock in select.select([asked, held["gateway"]], [], [])[0]:
        try:
            connection, _ = sock.accept()
        except BlockingIOError:
            continue
        with connection:
            if sock is asked:
                send_sockets(connection, held)
            else:
                connection.sendall(str(os.getpid()).encode())
"""
GATEWAY_ARGV = [sys.executable, "-c", GATEWAY]
SLEEPER = ["/bin/sleep", "1000"]


def eventually(claim: Callable[[], object], within_s: float = 10.0) -> None:
    """Real processes take their own time: look until it is so."""
    until_s = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < until_s, "it did not become so in time"
        time.sleep(0.005)


@dataclass
class Engine:
    home: Home
    pids: list[int] = field(default_factory=list)
    # Names are unique for all time: another run of these tests must not own pods called the same.
    prefix: str = field(default_factory=lambda: f"{uuid4()}/")

    def write(self, **settings: object) -> None:
        self.home.make()
        parts = {"gateway": GATEWAY_ARGV, "control_plane": SLEEPER}
        settings = {"host": "127.0.0.1", "port": 0, "api_port": 0, "parts": parts, **settings}
        self.home.settings.write_text(json.dumps(settings))

    def start(self) -> int:
        self.pids.append(start_keeper(self.home))
        return self.pids[-1]

    def ask(self, op: str, **fields: object) -> dict:
        if "name" in fields:
            fields["name"] = f"{self.prefix}{fields['name']}"
        return KeeperCall(self.home).ask(op, timeout_s=30, **fields)

    def spawn(self, name: str, *argv: str, **more: object) -> dict:
        spec = {
            "name": self.prefix + name,
            "argv": list(argv),
            "cwd": "/",
            "env": {"PATH": os.environ["PATH"]},
            "log": str(self.log(name)),
            **more,
        }
        return self.ask("spawn", spec=spec)["process"]

    def shell(self, name: str, script: str, **more: object) -> dict:
        return self.spawn(name, "/bin/sh", "-c", script, **more)

    def log(self, name: str) -> Path:
        return self.home.logs / f"{name.replace('/', '_')}.log"

    def lines(self, name: str) -> list[dict]:
        return [json.loads(line) for line in self.log(name).read_text().splitlines()]

    def process(self, name: str) -> dict | None:
        processes = self.ask("subscribe")["processes"]
        return next((one for one in processes if one["name"] == self.prefix + name), None)

    def ended(self, name: str) -> dict:
        eventually(lambda: self.process(name)["ended"])
        return self.process(name)

    def served_by(self) -> int:
        host, port = self.ask("status")["listening"]["gateway"]
        with socket.create_connection((host, port), timeout=10) as client:
            return int(client.recv(100))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    root = tmp_path / ("a-home-with-a-path-longer-than-a-unix-socket-address-may-be" * 2)
    made = Engine(Home(root))
    made.write()
    made.start()
    yield made
    try:
        made.ask("shutdown")
    except NoEngine:
        pass
    for pid in made.pids:
        eventually(lambda pid=pid: not alive(pid))


def alive(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.dead


def marked(engine: Engine, name: str) -> list[int]:
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in pids if mark_of(pid) == engine.prefix + name and alive(pid)]


# --- spawning


def test_a_pod_leads_its_own_session_with_exactly_its_environment_and_no_descriptors(engine):
    engine.shell("p", 'env | sort; ls /proc/$$/fd | tr "\\n" " "', env={"A": "b", "PATH": "/bin"})
    engine.ended("p")
    said = "".join(line["log"] for line in engine.lines("p"))
    names = {line.partition("=")[0] for line in said.splitlines()[:-1]}
    assert names <= {"A", "PATH", "PWD", "SHLVL", "_", "OLDPWD", "TIDEGATE_POD"}
    assert f"TIDEGATE_POD={engine.prefix}p\n" in said
    assert said.splitlines()[-1].split()[:3] == ["0", "1", "2"]
    assert len(said.splitlines()[-1].split()) <= 4  # dash keeps none, bash one of its own


def test_its_signals_are_as_new(engine):
    engine.shell("p", "grep -E '^Sig(Blk|Ign)' /proc/self/status")
    engine.ended("p")
    # 32 and 33 are the C library's own: whatever make starts has them ignored, and nobody can reset them.
    own = 1 << 31 | 1 << 32
    assert {int(line["log"].split()[1], 16) & ~own for line in engine.lines("p")} == {0}


def test_exit_codes_and_signals_are_told_apart(engine):
    engine.shell("coded", "exit 7")
    engine.shell("killed", "kill -USR1 $$")
    assert (engine.ended("coded")["code"], engine.ended("coded")["signal"]) == (7, None)
    assert (engine.ended("killed")["code"], engine.ended("killed")["signal"]) == (None, 10)


@pytest.mark.parametrize(
    ("argv", "more", "errno", "says"),
    [
        pytest.param(["/no/such"], {}, 2, "No such file: '/no/such'", id="missing file"),
        pytest.param(["nope"], {}, 2, "No such file: 'nope' .looked in PATH.", id="not in PATH"),
        pytest.param(["/etc/passwd"], {}, 13, "Can't run '/etc/passwd'", id="not executable"),
        pytest.param(["/bin/true"], {"cwd": "/no"}, 2, "Can't enter the folder '/no'", id="folder"),
        pytest.param(["/bin/true"], {"limits": {"X": 1}}, None, "No such limit: 'X'", id="limit"),
    ],
)
def test_what_exec_refuses_is_an_error_and_leaves_nothing(engine, argv, more, errno, says):
    with pytest.raises(Refused, match=says) as refused:
        engine.spawn("p", *argv, **more)
    assert refused.value.errno == errno
    assert engine.process("p") is None
    assert list((engine.home.pods / ".output").glob("*")) == []


def test_asking_twice_for_a_name_gives_the_same_process(engine):
    first = engine.spawn("p", *SLEEPER)
    assert engine.spawn("p", *SLEEPER) == first


def test_limits_are_set_and_the_keeper_s_own_are_not_inherited(engine):
    engine.shell("limited", "ulimit -n", limits={"NOFILE": 77})
    engine.shell("usual", "ulimit -n")
    engine.ended("limited"), engine.ended("usual")
    assert engine.lines("limited")[0]["log"] == "77\n"
    given = subprocess.run(["/bin/sh", "-c", "ulimit -n"], capture_output=True, text=True).stdout
    assert engine.lines("usual")[0]["log"] == given


def test_a_process_is_forgotten_only_when_it_has_ended(engine):
    engine.spawn("p", *SLEEPER)
    with pytest.raises(Refused, match="still runs"):
        engine.ask("forget", name="p")
    engine.ask("signal", name="p", signal="SIGTERM")
    assert engine.ended("p")["signal"] == signal.SIGTERM
    with pytest.raises(Refused, match="has ended"):
        engine.ask("signal", name="p", signal=15)
    engine.ask("forget", name="p")
    assert engine.process("p") is None


# --- killing

ESCAPEES = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:                      # a daemon: session of its own, parent gone
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    os._exit(0)
os.wait()
if os.fork() == 0:                      # a child that dropped its environment and left the session
    os.setsid()
    os.execve("/bin/sleep", ["sleep", "1000"], {})
print("ready", flush=True)
time.sleep(1000)
"""


def test_kill_tree_ends_daemons_sessions_and_those_that_ignore_sigterm(engine):
    engine.spawn("p", sys.executable, "-c", ESCAPEES)
    eventually(lambda: engine.log("p").exists() and engine.lines("p"))
    killed = engine.ask("kill_tree", name="p")["killed"]
    assert len(killed) == 3
    assert not any(map(alive, killed))
    assert marked(engine, "p") == []
    assert engine.process("p")["signal"] == signal.SIGKILL


def test_when_a_leader_exits_by_itself_nothing_of_the_pod_is_left_once_that_is_told(engine):
    engine.shell("p", "setsid sleep 1000 & sleep 1000 & (setsid sleep 1000 &) ; sleep 0.1; exit 3")
    assert engine.ended("p")["code"] == 3
    assert marked(engine, "p") == []
    assert (
        f"{engine.prefix}p ended and left 3 processes"
        in (engine.home.logs / "keeper.log").read_text()
    )


def test_a_fork_bomb_in_small_is_ended(engine):
    engine.shell("p", "f() { sleep 0.01; f & f & }; ulimit -u 500; f; f; sleep 1000")
    engine.ask("kill_tree", name="p")
    assert marked(engine, "p") == []


# --- output


def test_output_is_json_lines_of_both_streams_and_the_last_words_are_kept(engine):
    engine.shell("p", "echo out; echo err >&2; printf last; exit 0")
    engine.ended("p")
    said = {(line["stream"], line["log"]) for line in engine.lines("p")}
    assert said == {("stdout", "out\n"), ("stderr", "err\n"), ("stdout", "last")}
    assert list((engine.home.pods / ".output").glob("*")) == []


def test_a_flood_of_output_is_rotated_and_starves_nobody(engine):
    engine.spawn("p", "yes", "a line", log_bytes=200_000)
    old = Path(f"{engine.log('p')}.1")
    eventually(old.exists)
    began_s = time.monotonic()
    for _ in range(20):
        engine.ask("status")
    assert time.monotonic() - began_s < 5
    engine.ask("kill_tree", name="p")
    assert old.stat().st_size <= 200_000
    assert engine.log("p").stat().st_size <= 200_000
    assert all(line["log"] == "a line\n" for line in engine.lines("p")[:-1])


def test_a_pod_that_closes_its_output_costs_the_keeper_no_cpu(engine):
    engine.shell("p", "exec >&- 2>&-; exec sleep 1000")

    def ticks() -> int:
        fields = Path(f"/proc/{engine.pids[0]}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(0.3)
    assert ticks() - before < 10  # a spinning loop takes 30


def test_descriptors_do_not_leak_over_200_pods(engine):
    def descriptors() -> int:
        return len(os.listdir(f"/proc/{engine.pids[0]}/fd"))

    engine.shell("first", "exit 0")
    engine.ended("first")
    eventually(lambda: descriptors() == descriptors())
    before = descriptors()
    for number in range(200):
        engine.spawn(f"p{number}", "/bin/true")
    for number in range(200):
        engine.ended(f"p{number}")
        engine.ask("forget", name=f"p{number}")
    eventually(lambda: descriptors() <= before)
    with pytest.raises(Refused):
        engine.spawn("bad", "/no/such")
    eventually(lambda: descriptors() <= before)


# --- parts


def test_a_part_that_dies_is_started_again(engine):
    status = engine.ask("status")
    gateway, control_plane = status["gateway"]["pid"], status["control_plane"]["pid"]
    for pid in (gateway, control_plane):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: engine.ask("status")["gateway"]["pid"] not in (None, gateway))
    eventually(lambda: engine.ask("status")["control_plane"]["pid"] not in (None, control_plane))
    assert engine.served_by() == engine.ask("status")["gateway"]["pid"]


def test_a_new_gateway_starts_while_the_old_one_finishes(engine):
    old = engine.served_by()
    new = engine.ask("restart", part="gateway")["pid"]
    eventually(lambda: not alive(old))
    assert engine.served_by() == new


def test_a_restarted_control_plane_is_never_doubled(engine):
    old = engine.ask("status")["control_plane"]["pid"]
    new = engine.ask("restart", part="control_plane")["pid"]
    assert not alive(old)
    assert alive(new)


# --- the keeper's own death


def test_a_killed_keeper_costs_nothing_and_the_next_one_takes_over(engine):
    engine.shell("lives", "read x; echo never", log_bytes=10**6)
    engine.shell("talks", "while :; do echo tick; sleep 0.01; done")
    engine.shell("ends", "sleep 0.3; exit 5")
    lives, before = engine.process("lives"), engine.ask("status")
    gateway, port = engine.served_by(), before["listening"]["gateway"][1]
    os.kill(engine.pids[0], signal.SIGKILL)
    eventually(lambda: not alive(engine.pids[0]))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        assert int(client.recv(100)) == gateway  # served with no keeper at all
    eventually(lambda: not alive(engine_pid(engine, "ends")))

    began_s = time.monotonic()
    engine.start()
    assert time.monotonic() - began_s < 5  # mostly under 0.1 s; a busy machine is slower

    after = engine.ask("status")
    assert {**after, "keeper": None} == {**before, "keeper": None}
    assert after["keeper"]["pid"] == engine.pids[1]
    assert engine.process("lives") == lives
    ended = engine.ended("ends")
    assert (ended["code"], ended["signal"]) == (None, None)
    had = len(engine.lines("talks"))
    eventually(lambda: len(engine.lines("talks")) > had)
    engine.ask("kill_tree", name="talks")
    assert engine.process("talks")["ended"]
    os.kill(gateway, signal.SIGKILL)  # the sockets came back, so a new gateway gets them
    eventually(lambda: engine.ask("status")["gateway"]["pid"] not in (None, gateway))
    assert engine.served_by() != gateway


def engine_pid(engine: Engine, name: str) -> int:
    table = json.loads(engine.home.processes.read_text())
    return next(
        p["process"]["pid"]
        for p in table["processes"]
        if p["process"]["name"] == engine.prefix + name
    )


def test_with_keeper_and_gateway_both_killed_the_same_ports_serve_again(engine):
    before = engine.ask("status")
    os.kill(engine.pids[0], signal.SIGKILL)
    os.kill(before["gateway"]["pid"], signal.SIGKILL)
    eventually(lambda: not alive(before["gateway"]["pid"]))
    engine.start()
    after = engine.ask("status")
    assert after["listening"] == before["listening"]
    assert engine.served_by() == after["gateway"]["pid"] != before["gateway"]["pid"]


def test_a_starter_hands_over_the_sockets_it_holds(tmp_path):
    engine = Engine(Home(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        engine.write(api_port=port)
        start_keeper(engine.home, listening={"api": held.fileno()})
    assert engine.ask("status")["listening"]["api"] == ["127.0.0.1", port]
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        engine.ask("shutdown")


# --- clients that misbehave


def test_garbage_gets_an_error_and_the_engine_goes_on(engine):
    with connect_unix(engine.home.keeper_socket, timeout_s=10) as client:
        client.sendall(b'\x00\xff\nnot json\n[]\n{"op": 3, "id": 8}\n{"op": "dance", "id": 9}\n')
        lines, answers = Lines(), []
        while len(answers) < 5:
            answers += map(decode_line, lines.feed(client.recv(65536)))
    assert [answer["id"] for answer in answers] == [None, None, None, 8, 9]
    assert all("error" in answer for answer in answers)
    assert engine.ask("status")["keeper"]["pid"] == engine.pids[0]


def test_a_line_without_end_loses_the_connection(engine):
    with (
        connect_unix(engine.home.keeper_socket, timeout_s=10) as client,
        pytest.raises(ConnectionError),
    ):
        client.sendall(b"x" * 64 * 2**20)
    assert engine.ask("status")


def test_a_client_that_never_reads_is_dropped_and_blocks_nobody(engine):
    for number in range(20):
        engine.spawn(f"p{number}", "/bin/true")
    with connect_unix(engine.home.keeper_socket, timeout_s=10) as client:
        client.setblocking(False)
        question = encode_line({"op": "subscribe", "id": 1})

        def is_dropped() -> bool:
            try:
                client.send(question * 100)
            except BlockingIOError:
                pass
            except ConnectionError:
                return True
            assert engine.ask("status")
            return False

        eventually(is_dropped, within_s=30)


def test_subscribers_hear_of_exits(engine):
    with connect_unix(engine.home.keeper_socket, timeout_s=10) as client:
        client.sendall(encode_line({"op": "subscribe", "id": 1}))
        lines, heard = Lines(), []
        while not heard:
            heard += map(decode_line, lines.feed(client.recv(65536)))
        engine.shell("p", "exit 4")
        while len(heard) < 2:
            heard += map(decode_line, lines.feed(client.recv(65536)))
    assert heard[0] == {"id": 1, "ok": True, "processes": []}
    assert heard[1]["event"] == "exited"
    assert heard[1]["process"]["code"] == 4


# --- starting and stopping


def test_up_twice_is_one_engine(engine):
    assert start_keeper(engine.home) == engine.pids[0]
    second = subprocess.run(
        keeper_command(detach=False),
        env={**os.environ, "TIDEGATE_HOME": str(engine.home.root)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert second.returncode == 0
    assert f"an engine runs already for {engine.home.root}" in second.stderr
    assert second.stderr.count("\n") == 1


def test_python_m_works_too_and_sigterm_shuts_down(tmp_path):
    engine = Engine(Home(tmp_path))
    engine.write()
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tidegate.keeper"],
        env={**os.environ, "TIDEGATE_HOME": str(tmp_path)},
    )
    eventually(lambda: answers(engine))
    pod = engine.shell("p", "trap 'exit 0' TERM; while :; do sleep 0.02; done")["pid"]
    keeper.terminate()
    assert keeper.wait(30) == 0
    assert not alive(pod)


def answers(engine: Engine) -> bool:
    try:
        return bool(engine.ask("status"))
    except NoEngine:
        return False


def test_a_taken_port_is_named_with_the_way_out(tmp_path):
    engine = Engine(Home(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        engine.write(port=port)
        with pytest.raises(KeeperNotStarted, match=f"port {port} on 127.0.0.1.*--port"):
            start_keeper(engine.home)
    with pytest.raises(NoEngine, match="tidegate up"):
        engine.ask("status")


def test_the_ports_that_were_picked_are_written_back(engine):
    settings = json.loads(engine.home.settings.read_text())
    listening = engine.ask("status")["listening"]
    assert settings["port"] == listening["gateway"][1] != 0
    assert settings["api_port"] == listening["api"][1] != 0
    assert "parts" in settings


def test_without_settings_the_way_out_is_told(tmp_path):
    with pytest.raises(KeeperNotStarted, match="tidegate up"):
        start_keeper(Home(tmp_path))


def test_shutdown_ends_everything_and_leaves_no_file_behind(engine):
    pods = [engine.spawn("p", *SLEEPER)["pid"]]
    pods.append(engine.shell("stubborn", "trap '' TERM; echo on; sleep 1000 & wait; wait")["pid"])
    eventually(lambda: engine.log("stubborn").read_text())
    status = engine.ask("status")
    port = status["listening"]["gateway"][1]
    for left in (".1f.gateway.sock", "processes.json.new", "gateway-leaving-1.json"):
        (engine.home.run / left).touch()  # by those who were killed on the way
    engine.ask("shutdown")
    parts = [status[part]["pid"] for part in ("gateway", "control_plane")]
    assert not any(map(alive, [*pods, *parts]))
    assert os.listdir(engine.home.run) == ["settings.json"]
    assert os.listdir(engine.home.pods) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    engine.start()  # at once, on the same ports
    assert engine.ask("status")["listening"] == status["listening"]
