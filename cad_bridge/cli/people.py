"""Secrets for the configuration: `hash-password` and `hash-key`."""

from __future__ import annotations

from typing import Annotated

import typer
from argon2 import PasswordHasher

from cad_bridge.settings import key_digest


def hash_password(
    password: Annotated[str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True)],
) -> None:
    """Make the `password_hash` of a `user` section (argon2id)."""
    typer.echo(PasswordHasher().hash(password))


def hash_key(key: Annotated[str, typer.Option(prompt=True, hide_input=True)]) -> None:
    """Make the `key_sha256` of a `client` section."""
    typer.echo(key_digest(key))
