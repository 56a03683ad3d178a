"""`cad-bridge replay CASE`: who did what, when, why, and by which rule."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from uuid import uuid4

import psycopg
import pytest

from tests.service import CLINICIAN_KEY
from tests.two_sites import two_sites


def replay(case_id: str, database_url: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an incident reviewer does."""
    return subprocess.run(
        [sys.executable, "-c", "from cad_bridge.cli.main import main; main()", "replay", case_id],
        env=os.environ | {"CAD_BRIDGE_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.req("APP-COM-30")
@pytest.mark.req("HAZ-H05-05")
async def test_the_story_of_a_rejected_case_can_be_told_on_both_sides(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        asked, held = await sites.ask()
        await sites.answer(held, "contact-attempts", {"by": "Ann", "contact": "07700 900123", "note": "No answer"})
        await sites.answer(held, "reject", {"by": "Ann", "code": "FC", "text": "Rang three times"})
        await sites.ast.state(asked["id"], "returned")
        await sites.ast.api("POST", f"/cases/{asked['id']}/dispatch", json={"by": "Dot"})
        ours = await asyncio.to_thread(replay, asked["id"], database_url)
        theirs = await asyncio.to_thread(replay, held["id"], second_database_url)
        events = await sites.responder.events(held["id"], key=CLINICIAN_KEY)
    assert ours.returncode == 0, ours.stderr
    for word in (
        "case.created",
        "eoc-cad",
        "reason: code FC, text Rang three times",
        "validation-requester: pending x",
    ):
        assert word in ours.stdout, word
    assert "Dot (eoc-cad)" in ours.stdout
    for word in ("case.contact_attempt", "note: No answer", "by: Ann (clinicians)", "validation-responder: received x"):
        assert word in theirs.stdout, word
    for event in events:
        assert event["at"][:19].replace("T", " ") in theirs.stdout


def test_a_case_that_is_not_there_is_said_to_be_missing(database_url: str) -> None:
    done = replay(str(uuid4()), database_url)
    assert done.returncode == 1
    assert "no such case" in done.stderr


def test_a_database_without_the_schema_says_what_to_do(database_url: str) -> None:
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        connection.execute("DROP TABLE events CASCADE")
    result = replay(str(uuid4()), database_url)
    assert result.returncode == 2
    assert result.stderr == "cad-bridge: the database lacks the schema of this release: cad-bridge migrate\n"
