"""Where an engine keeps its things: one folder, `TIDEGATE_HOME` or the XDG state folder.

Standard library only; the keeper uses it.
"""

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one engine. Nothing here touches the disk except `make`."""

    root: Path

    @property
    def run(self) -> Path:
        """Sockets, the lock, pids; recreated at need."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """flock'ed by the keeper: one engine per home."""
        return self.run / "lock"

    @property
    def keeper_socket(self) -> Path:
        return self.run / "keeper.sock"

    @property
    def gateway_socket(self) -> Path:
        """Control plane <-> gateway (`link.gateway`)."""
        return self.run / "gateway.sock"

    @property
    def sockets_socket(self) -> Path:
        """Where the gateway hands the listening sockets to a new keeper (SCM_RIGHTS)."""
        return self.run / "sockets.sock"

    @property
    def settings(self) -> Path:
        """JSON: what `up` was asked for (ports), so that a new keeper starts the same engine."""
        return self.run / "settings.json"

    @property
    def processes(self) -> Path:
        """JSON: the keeper's process table, for the keeper after it."""
        return self.run / "processes.json"

    @property
    def database(self) -> Path:
        return self.root / "state.db"

    @property
    def gateway_table(self) -> Path:
        """JSON: the gateway's last routing table, so that it starts without a control plane."""
        return self.root / "gateway-table.json"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def pods(self) -> Path:
        """One folder per pod uid: volumes, private TMPDIR, keeper FIFOs."""
        return self.root / "pods"

    @property
    def memory(self) -> Path:
        """On the machine's tmpfs: emptyDir volumes of medium Memory, one folder per pod uid."""
        return Path("/dev/shm") / f"tidegate-{zlib.crc32(str(self.root).encode()):08x}"

    @property
    def volumes(self) -> Path:
        """The folders of claims of the storage class `tidegate`, one per PersistentVolume."""
        return self.root / "volumes"

    @property
    def datasets(self) -> Path:
        """Links to the data of datasets: `<namespace>/<name>/data`."""
        return self.root / "datasets"

    @property
    def cache(self) -> Path:
        """What was fetched, and below `datasets/<namespace>/<name>` what datasets keep for themselves."""
        return self.root / "cache"

    @property
    def memory_cache(self) -> Path:
        """Tiers of datasets whose medium is MEM; ends with the engine."""
        return self.memory / ".cache"

    @property
    def logs(self) -> Path:
        """Container logs `<pod>_<namespace>_<container>-<id>.log`, and `keeper.log`, `gateway.log`, `control-plane.log`."""
        return self.root / "logs"

    def make(self) -> None:
        """Create the folders, readable by this user only."""
        for folder in (self.root, self.run, self.pki, self.pods, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def home_from(environ: Mapping[str, str], data_dir: str | None = None) -> Home:
    """`--data-dir`, else TIDEGATE_HOME, else $XDG_STATE_HOME/tidegate, else ~/.local/state/tidegate."""
    if data_dir:
        return Home(Path(data_dir).absolute())
    if environ.get("TIDEGATE_HOME"):
        return Home(Path(environ["TIDEGATE_HOME"]).absolute())
    state = environ.get("XDG_STATE_HOME") or os.path.join(
        environ.get("HOME") or os.path.expanduser("~"), ".local", "state"
    )
    return Home(Path(state) / "tidegate")
