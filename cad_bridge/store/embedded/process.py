"""The server process: found without trusting a number, launched, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cad_bridge.store.embedded.account import Account, owner_of
from cad_bridge.store.embedded.binaries import Binaries
from cad_bridge.store.embedded.home import Home
from cad_bridge.store.embedded.locks import FileLock
from cad_bridge.store.embedded.sockets import PORT

# On the command line, where neither postgresql.conf nor ALTER SYSTEM can undo them.
_INVARIANTS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_timezone": "UTC",
    # Errors in statements go to the client only: their text, details and parameters can quote patient data.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
_LARGEST_LOG = 10_000_000  # bytes; beyond it the log is put aside (one generation) at the next start
_SH_BACKGROUND = '"$@" &'


@dataclass(frozen=True)
class Postmaster:
    """A server that is proven to run in a cluster. `status` is PostgreSQL's own word: starting, ready, stopping."""

    pid: int
    socket_directory: Path
    status: str


def find(cluster: Path) -> Postmaster | None:
    """The server of this cluster, if one runs."""
    lines = _pid_file(cluster)
    if not lines or not lines[0].isdigit() or not _is_server_of(int(lines[0]), cluster):
        return None
    lines += [""] * (8 - len(lines))
    return Postmaster(pid=int(lines[0]), socket_directory=Path(lines[4]), status=lines[7] or "starting")


def _pid_file(cluster: Path) -> list[str]:
    """The lines of postmaster.pid: pid, cluster, start time, port, socket directory, address, shared memory, status."""
    try:
        return [line.strip() for line in (cluster / "postmaster.pid").read_text(errors="replace").splitlines()]
    except FileNotFoundError:
        return []


def _is_server_of(pid: int, cluster: Path) -> bool:
    """Whether this process executes PostgreSQL with the cluster as its working directory, as its servers do."""
    process = Path("/proc") / str(pid)
    try:
        return (process / "comm").read_text().strip() == "postgres" and (process / "cwd").samefile(cluster)
    except PermissionError:
        # Another account's: in a container even root may not look, but the account that owns the cluster may.
        same = ("/bin/sh", "-c", '[ "$1" -ef "$2" ]', "sh", process / "cwd", cluster)
        return owner_of(cluster).run(*same, output=subprocess.DEVNULL).returncode == 0
    except (FileNotFoundError, ProcessLookupError):
        # Gone, or a zombie, which works nowhere.
        return False


def launch(home: Home, account: Account, *, binaries: Binaries, sockets: Path, lock: FileLock) -> int:
    """Starts a server in the background, as nobody's child; it inherits `lock`. Call it only while none runs.

    Returns the length of the log before its first line, in bytes.
    """
    settings = _INVARIANTS | {"unix_socket_directories": f'"{sockets}"'}
    server: list[str | Path] = [
        binaries.postgres,
        "-D",
        home.cluster,
        *(f"--{name}={value}" for name, value in settings.items()),
    ]
    if home.log.exists() and home.log.stat().st_size > _LARGEST_LOG:
        home.log.replace(home.log.with_suffix(".log.1"))
    log = os.open(home.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        logged = os.fstat(log).st_size
        account.run(
            *("/bin/sh", "-c", _SH_BACKGROUND, "sh"),
            *server,
            output=log,
            inherit=(lock.fileno(),),
            environment=_disown_stale_pid(home.cluster),
        )
        return logged
    finally:
        os.close(log)


def _disown_stale_pid(cluster: Path) -> dict[str, str]:
    """Lets PostgreSQL pass over a pid in postmaster.pid that another process has now, or a zombie.

    PostgreSQL takes the pid of its grandparent for stale, because pg_ctl may get the old number after a reboot. To use
    that keeps its other check, for shared memory in use, which removing the file would take away. A file without a pid
    (torn by a power cut) stops PostgreSQL for ever; the lock that we hold proves that no server needs it.
    """
    lines = _pid_file(cluster)
    if lines and lines[0].isdigit():
        return {"PG_GRANDPARENT_PID": lines[0]}
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    return {}


def request_stop(cluster: Path) -> None:
    """Asks the server, if one runs, to roll back what is open, write everything out and end (a fast shutdown)."""
    server = find(cluster)
    if server is None:
        return
    try:
        process = os.pidfd_open(server.pid)
    except ProcessLookupError:
        return
    try:
        # The descriptor names one process for good, so what is checked now is what gets the signal.
        if _is_server_of(server.pid, cluster):
            signal.pidfd_send_signal(process, signal.SIGINT)
    except ProcessLookupError:
        return
    finally:
        os.close(process)
