"""The operating-system account that the server runs as: our own, or an unprivileged one if we are root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cad_bridge.store.embedded.errors import EmbeddedDatabaseError

# Nothing of the caller's environment reaches the server: PGOPTIONS, PGDATA or LC_ALL would change what it does.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Account:
    """An existing account. `dropped` means that we are root and give up privileges to run as it."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def run(
        self,
        *argv: str | Path,
        output: int,
        inherit: tuple[int, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a program as this account, in a session of its own, with a clean environment.

        `output` is the descriptor for both its outputs (or `subprocess.PIPE`), `inherit` names others that it keeps.
        """
        try:
            return subprocess.run(  # noqa: S603 - the programs are ours
                argv,
                check=False,
                cwd="/",
                env=_ENVIRONMENT | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=inherit,
                start_new_session=True,
                user=self.uid if self.dropped else None,
                group=self.gid if self.dropped else None,
                extra_groups=[] if self.dropped else None,
            )
        except OSError as error:
            raise EmbeddedDatabaseError(f"{argv[0]} cannot be run as {self.name}: {error.strerror}") from error

    def can_reach(self, directory: Path) -> bool:
        """Whether this account may enter the directory; asked of the kernel, which knows ACLs and mounts as well."""
        return self.run("/bin/sh", "-c", 'cd -- "$1"', "sh", directory, output=subprocess.DEVNULL).returncode == 0

    def give(self, path: Path) -> None:
        """Makes the account the owner of what root has made for it."""
        if self.dropped:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account(name: str) -> Account:
    """Who is to run the server: ourselves, or the named account if we are root.

    Raises EmbeddedDatabaseError if that account does not exist or is root.
    """
    if os.geteuid() != 0:
        return Account(name=account_name(os.geteuid()), uid=os.geteuid(), gid=os.getegid(), dropped=False)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedDatabaseError(
            f"There is no account {name!r} on this machine, and PostgreSQL does not run as root. Name an existing "
            "unprivileged account, run the service as an ordinary user, or set CAD_BRIDGE_DATABASE_URL."
        ) from None
    if entry.pw_uid == 0:
        raise EmbeddedDatabaseError(f"PostgreSQL does not run as root, and account {name!r} is root. Name another one.")
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, dropped=True)


def owner_of(path: Path) -> Account:
    """The account that a file or directory belongs to."""
    status = path.stat()
    return Account(name=account_name(status.st_uid), uid=status.st_uid, gid=status.st_gid, dropped=os.geteuid() == 0)


def account_name(uid: int) -> str:
    """The name of an account, or its number if it has none (as in many containers)."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
