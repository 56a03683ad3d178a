"""HTTP clients of the sandbox: no proxy settings of the machine, one TLS context for all of them."""

from __future__ import annotations

import functools
import ssl

import httpx


def new_client(*, timeout: float, keep_alive: bool = True, base_url: str = "") -> httpx.AsyncClient:
    """A client that must be closed; `timeout` in seconds. Without `keep_alive` every request takes a new connection."""
    limits = httpx.Limits() if keep_alive else httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=base_url, timeout=timeout, limits=limits, trust_env=False, verify=_tls())


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the trusted roots takes longer than starting the rest of the sandbox."""
    return ssl.create_default_context()
