"""Several users of one server: they share it, and it stops with the last of them, never under another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from cad_bridge.store.embedded import EmbeddedDatabaseError, EmbeddedServer, running, start
from cad_bridge.store.embedded.process import find
from tests.database import connect

# Says which server it uses, waits for a line, stops and says whether that stopped the server.
USER = """
import sys
from pathlib import Path
from cad_bridge.store.embedded import start
from cad_bridge.store.embedded.process import find

server = start(Path(sys.argv[1]))
print(find(server.home.cluster).pid, flush=True)
sys.stdin.readline()
print(server.stop(), flush=True)
"""


@contextmanager
def user(data_dir: Path, program: str = USER) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server of this data directory."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def answers(server: EmbeddedServer) -> bool:
    try:
        connect(server.url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_the_last_user_stops_the_server(used_data_dir: Path) -> None:
    first, second = start(used_data_dir), start(used_data_dir)
    assert first.url == second.url
    assert first.stop() is False
    assert answers(second)
    assert second.stop() is True
    assert not answers(second)
    assert find(second.home.cluster) is None


def test_to_stop_again_does_nothing(used_data_dir: Path) -> None:
    first = start(used_data_dir)
    with running(used_data_dir) as second:
        first.stop()
        assert first.stop() is False
        assert answers(second)


def test_who_has_stopped_cannot_bring_the_server_back(used_data_dir: Path) -> None:
    server = start(used_data_dir)
    server.stop()
    with pytest.raises(EmbeddedDatabaseError, match="has stopped using"):
        server.ensure_running()
    assert find(server.home.cluster) is None


def test_a_block_that_fails_leaves_the_server(used_data_dir: Path) -> None:
    with pytest.raises(ZeroDivisionError), running(used_data_dir) as server:
        raise ZeroDivisionError
    assert not answers(server)


def test_processes_that_start_at_once_share_one_server(unused_data_dir: Path) -> None:
    with user(unused_data_dir) as one, user(unused_data_dir) as two, user(unused_data_dir) as three:
        users = [one, two, three]
        assert len({said(process) for process in users}) == 1
        stopped = []
        for process in users:
            let_go_on(process)
            stopped.append(said(process))
        assert stopped == ["False", "False", "True"]


def test_a_server_whose_owner_was_killed_is_joined(used_data_dir: Path) -> None:
    with user(used_data_dir) as owner:
        pid = said(owner)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    with running(used_data_dir) as server:
        joined = find(server.home.cluster)
        assert joined is not None
        assert str(joined.pid) == pid
    assert find(server.home.cluster) is None


def test_a_killed_user_does_not_count(used_data_dir: Path) -> None:
    server = start(used_data_dir)
    with user(used_data_dir) as other:
        said(other)
    assert server.stop() is True


def test_a_forked_child_does_not_stop_its_parents_server(used_data_dir: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from cad_bridge.store.embedded import start
from cad_bridge.store.embedded.process import find

server = start(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    os._exit(1 if server.stop() else 0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), find(server.home.cluster) is not None, server.stop())
"""
    with user(used_data_dir, program) as process:
        assert said(process) == "0 True True"


def test_the_server_outlives_a_signal_to_its_starters_terminal(used_data_dir: Path) -> None:
    with user(used_data_dir) as owner, running(used_data_dir) as server:
        said(owner)
        postmaster = find(server.home.cluster)
        assert postmaster is not None
        assert os.getsid(postmaster.pid) not in {os.getsid(0), os.getsid(owner.pid)}
