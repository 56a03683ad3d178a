"""What crashes leave behind: killed servers, reused process ids, half-made clusters."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from cad_bridge.store.embedded import EmbeddedDatabaseError, EmbeddedServer, process, running, server, start
from cad_bridge.store.embedded.account import Account, server_account
from cad_bridge.store.embedded.locks import is_held
from cad_bridge.store.embedded.waiting import wait_until
from tests.database import connect


def postmaster(of: EmbeddedServer) -> int:
    found = process.find(of.home.cluster)
    assert found is not None
    return found.pid


def kill(victim: EmbeddedServer) -> None:
    """SIGKILL for the server's first process, and wait until all its processes are gone."""
    os.kill(postmaster(victim), signal.SIGKILL)
    assert wait_until(lambda: not is_held(victim.home.server_lock), timeout_s=60)


def write_pid(of: EmbeddedServer, pid_file: list[str], pid: int | str) -> None:
    """Puts back a postmaster.pid with another number, owned as the server left it."""
    file = of.home.cluster / "postmaster.pid"
    file.write_text("\n".join([str(pid), *pid_file[1:]]) + "\n")
    of.account.give(file)


@contextmanager
def sleeper(account: Account, *, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us, run by the server's account: the server would be able to signal it."""
    with subprocess.Popen(
        ["sleep", "1000"],
        cwd=directory,
        user=account.uid if account.dropped else None,
        group=account.gid if account.dropped else None,
        extra_groups=[] if account.dropped else None,
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    with sleeper(server_account("nobody"), directory=Path("/")) as process:
        yield process


def test_a_killed_server_recovers_with_all_that_was_committed(used_data_dir: Path) -> None:
    first = start(used_data_dir)
    with connect(first.url) as connection:
        connection.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    kill(first)
    first.stop()
    with running(used_data_dir) as second, connect(second.url) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1000,)
    assert "was not properly shut down; automatic recovery in progress" in second.home.log.read_text()


def test_a_user_brings_its_killed_server_back_at_the_same_address(used_data_dir: Path) -> None:
    with running(used_data_dir) as used:
        before = postmaster(used)
        used.ensure_running()
        assert postmaster(used) == before
        kill(used)
        used.ensure_running()
        assert postmaster(used) != before
        connect(used.url).close()


def test_a_server_that_is_only_just_killed_is_not_joined(used_data_dir: Path) -> None:
    with running(used_data_dir) as used:
        for _ in range(5):
            os.kill(postmaster(used), signal.SIGKILL)
            used.ensure_running()
            connect(used.url).close()


def test_another_user_brings_a_killed_server_back_for_all(used_data_dir: Path) -> None:
    with running(used_data_dir) as used:
        kill(used)
        with running(used_data_dir):
            connect(used.url).close()
        connect(used.url).close()


def test_to_stop_a_server_that_was_killed_is_no_error(used_data_dir: Path) -> None:
    used = start(used_data_dir)
    kill(used)
    assert used.stop() is True


@pytest.mark.parametrize("ending", ["killed", "stopped"])
def test_a_reused_pid_harms_nobody(used_data_dir: Path, bystander: subprocess.Popen[bytes], ending: str) -> None:
    used = start(used_data_dir)
    pid_file = (used.home.cluster / "postmaster.pid").read_text().splitlines()
    if ending == "killed":
        kill(used)
    used.stop()
    write_pid(used, pid_file, bystander.pid)
    assert process.find(used.home.cluster) is None

    with running(used_data_dir) as again:
        assert postmaster(again) != bystander.pid
        connect(again.url).close()

    assert bystander.poll() is None


def test_a_reused_pid_is_not_signalled_when_its_last_user_leaves(
    used_data_dir: Path, bystander: subprocess.Popen[bytes]
) -> None:
    used = start(used_data_dir)
    pid_file = (used.home.cluster / "postmaster.pid").read_text().splitlines()
    kill(used)
    write_pid(used, pid_file, bystander.pid)
    assert used.stop() is True
    assert bystander.poll() is None


def test_a_process_that_merely_stands_in_the_cluster_is_not_its_server(used_data_dir: Path) -> None:
    used = start(used_data_dir)
    pid_file = (used.home.cluster / "postmaster.pid").read_text().splitlines()
    kill(used)
    with sleeper(used.account, directory=used.home.cluster) as shell:
        write_pid(used, pid_file, shell.pid)
        assert used.stop() is True
        with running(used_data_dir) as again:
            connect(again.url).close()
        assert shell.poll() is None


def test_the_pid_of_another_clusters_server_is_not_ours(used_data_dir: Path) -> None:
    other_dir = used_data_dir / "other"
    other_dir.mkdir(mode=0o711)
    other_dir.chmod(0o711)
    with running(other_dir) as other:
        used = start(used_data_dir)
        pid_file = (used.home.cluster / "postmaster.pid").read_text().splitlines()
        used.stop()
        write_pid(used, pid_file, postmaster(other))
        with running(used_data_dir) as again:
            assert postmaster(again) != postmaster(other)
        connect(other.url).close()


@pytest.mark.parametrize("torn", ["", "\n", "not a number\n", "-5\n"])
def test_a_torn_pid_file_does_not_stop_the_start(used_data_dir: Path, torn: str) -> None:
    with running(used_data_dir) as used:
        pass
    file = used.home.cluster / "postmaster.pid"
    file.write_text(torn)
    used.account.give(file)
    with running(used_data_dir) as again:
        connect(again.url).close()


def test_nothing_starts_while_processes_of_the_old_server_live(
    used_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = start(used_data_dir)
    with connect(used.url) as connection:
        (backend,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        os.kill(backend, signal.SIGSTOP)
        os.kill(postmaster(used), signal.SIGKILL)
        monkeypatch.setattr(server, "_LEFT_OVER_TIMEOUT_S", 0.2)
        try:
            with pytest.raises(EmbeddedDatabaseError, match="Processes of an earlier server"):
                start(used_data_dir)
            assert process.find(used.home.cluster) is None
        finally:
            os.kill(backend, signal.SIGCONT)
        monkeypatch.setattr(server, "_LEFT_OVER_TIMEOUT_S", 60)
        with running(used_data_dir) as again:
            connect(again.url).close()
    used.stop()


def test_an_initialisation_that_was_killed_is_done_again(unused_data_dir: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cad_bridge.store.embedded import start; start(Path(sys.argv[1]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(unused_data_dir)], cwd=Path(__file__).parents[2]
    ) as starter:
        home = unused_data_dir / "postgres"
        assert wait_until(lambda: any(home.glob("initdb-*/cluster/PG_VERSION")), timeout_s=60)
        starter.kill()
    assert not (home / "cluster").exists()
    with running(unused_data_dir) as used:
        connect(used.url).close()
        assert not list(home.glob("initdb-*"))


def test_what_a_killed_initialisation_left_is_removed(unused_data_dir: Path) -> None:
    with running(unused_data_dir) as used:
        pass
    shutil.move(used.home.cluster, used.home.path / "initdb-left")
    (used.home.path / "initdb-left" / "global" / "pg_control").unlink()
    with running(unused_data_dir) as again:
        connect(again.url).close()
        assert not list(again.home.path.glob("initdb-*"))


def test_a_failing_initialisation_says_why_and_leaves_no_cluster(
    unused_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cad_bridge.store.embedded.cluster._DEFAULTS", {"max_connections": "none"})
    with pytest.raises(EmbeddedDatabaseError, match=r"initdb failed:\n(.*\n)*.*max_connections"):
        start(unused_data_dir)
    assert not (unused_data_dir / "postgres" / "cluster").exists()
    monkeypatch.undo()
    with running(unused_data_dir) as used:
        connect(used.url).close()


def test_a_server_that_cannot_start_says_why(used_data_dir: Path) -> None:
    with running(used_data_dir) as used:
        pass
    configuration = used.home.cluster / "postgresql.conf"
    healthy = configuration.read_text()
    configuration.write_text(healthy + "\nshared_buffers = lots\n")
    with pytest.raises(EmbeddedDatabaseError, match=r"(?s)did not start:.*shared_buffers"):
        start(used_data_dir)
    configuration.write_text(healthy)
    with running(used_data_dir) as again:
        connect(again.url).close()


def test_a_cluster_of_another_version_is_refused_untouched(used_data_dir: Path) -> None:
    with running(used_data_dir) as used:
        pass
    version = used.home.cluster / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(EmbeddedDatabaseError, match="PostgreSQL 17 made the cluster"):
        start(used_data_dir)
    version.write_text("18\n")
    with running(used_data_dir) as again:
        connect(again.url).close()


def test_what_is_no_cluster_is_refused_and_kept(used_data_dir: Path) -> None:
    with running(used_data_dir) as used:
        pass
    (used.home.cluster / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedDatabaseError, match="is not a cluster of PostgreSQL"):
        start(used_data_dir)
    assert (used.home.cluster / "global" / "pg_control").exists()


@pytest.mark.parametrize("role", ["postgres", "cad_bridge"])
def test_a_lost_password_is_named(used_data_dir: Path, role: str) -> None:
    with running(used_data_dir) as used:
        pass
    (used.home.path / f"{role}.password").unlink()
    with pytest.raises(EmbeddedDatabaseError, match=rf"{role}\.password is missing"):
        start(used_data_dir)
    assert process.find(used.home.cluster) is None


def test_a_wrong_password_is_said_and_nothing_stays_behind(
    used_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(used_data_dir) as used:
        pass
    (used.home.path / "postgres.password").write_text("wrong")
    monkeypatch.setattr(server, "_ANSWER_TIMEOUT_S", 0)
    with pytest.raises(EmbeddedDatabaseError, match="does not answer"):
        start(used_data_dir)
    assert process.find(used.home.cluster) is None


def test_a_crash_before_the_database_was_made_is_made_good(used_data_dir: Path) -> None:
    with running(used_data_dir) as used:
        url = make_url(used.url).set(drivername="postgresql", database="postgres", username="postgres")
        administrator = url.set(password=used.home.password("postgres")).render_as_string(hide_password=False)
        with psycopg.connect(administrator, autocommit=True) as connection:
            connection.execute("DROP DATABASE cad_bridge")
        with running(used_data_dir) as again:
            connect(again.url).close()


def test_a_server_that_is_stopping_is_awaited_and_then_started_anew(used_data_dir: Path) -> None:
    used = start(used_data_dir)
    before = postmaster(used)
    with connect(used.url):
        # A smart shutdown waits for this connection, as when a service manager ends everything at once.
        os.kill(before, signal.SIGTERM)
        assert wait_until(lambda: (process.find(used.home.cluster) or used).status == "stopping", timeout_s=60)
        ender = subprocess.Popen([sys.executable, "-c", f"import os; os.kill({before}, {int(signal.SIGINT)})"])
        with running(used_data_dir) as again:
            assert postmaster(again) != before
        ender.wait()
    used.stop()
