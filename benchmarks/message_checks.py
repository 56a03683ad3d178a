"""Every check of one received message of 46 KB, step by step, against a bare parse in the same run.

    python -m benchmarks.message_checks

CPU time of this thread, the best of several rounds. The ratios mean more than the milliseconds: to `orjson.loads` of
the same bytes, and to what fhir.resources takes only to parse them.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import orjson
from fhir.resources.R4B.bundle import Bundle

from cad_bridge.fhir.check import check_message, warm_up
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.json_text import read_json
from cad_bridge.fhir.schema import message_validator
from cad_bridge.fhir.structure import DEFAULT_MAX_DEPTH, check_structure
from cad_bridge.fhir.structure_invariants import walk
from cad_bridge.protocol.decision import decide_row
from tests.unit.fhir.messages import SORTS, Json, message, url

SIZE = 46_000
ROUNDS, SECONDS_A_ROUND = 9, 0.15
TARGET_MS, TARGET_RATIO = 2.0, 6.0


def main() -> None:
    """Print the table."""
    started = time.perf_counter()
    warm_up()
    warmed = time.perf_counter() - started
    for bundle in (grown(SIZE), flaws(grown(SIZE + 4_000))):
        raw = json.dumps(bundle, indent=2).encode()
        found = len(check_message(bundle, read_facts(bundle), strict=False))
        print(f"\na message with {found or 'no'} findings: {len(raw):,} bytes, {len(bundle['entry'])} entries")
        report(raw)
    print(f"\nwarm-up, once at start: {warmed * 1000:.0f} ms")


def grown(size: int) -> Json:
    """An update of an out-of-area referral with as many crew notes and observations as make it that long."""
    bundle = message(next(sort for sort in SORTS if sort.payload == "6" and sort.kind == "update"))
    kinds = [each for each in bundle["entry"] if each["resource"]["resourceType"] in ("Communication", "Observation")]
    while len(json.dumps(bundle, indent=2)) < size:
        entry = copy.deepcopy(kinds[len(bundle["entry"]) % len(kinds)])
        bundle["entry"].append({**entry, "fullUrl": url(f"grown {len(bundle['entry'])}")})
    return bundle


def flaws(bundle: Json) -> Json:
    """What real senders leave out: enough for a long list of warnings."""
    for entry in bundle["entry"]:
        resource = entry["resource"]
        resource.pop("id", None)
        if resource["resourceType"] == "Observation":
            resource.pop("encounter", None)
    return bundle


def report(raw: bytes) -> None:
    """Print each step with its time and its ratios."""
    parsed = orjson.loads(raw)
    compact = orjson.dumps(parsed)
    facts, met = read_facts(parsed), check_structure(raw).collected
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("orjson.loads alone", lambda: orjson.loads(raw)),
        ("fhir.resources: model_validate_json", lambda: Bundle.model_validate_json(raw)),
        ("JSON: size, syntax, duplicates, depth", lambda: read_json(raw)),
        ("schema", lambda: message_validator().is_valid(parsed)),
        ("invariants", lambda: walk(parsed, compact, max_depth=DEFAULT_MAX_DEPTH)),
        ("check_structure, all of the above", lambda: check_structure(raw)),
        ("read_facts", lambda: read_facts(parsed)),
        ("check_message: profile and payload", lambda: check_message(parsed, facts, strict=False, collected=met)),
        ("decision row", lambda: decide_row(facts, strict=False)),
        ("every check, from bytes to decision", lambda: everything(raw)),
    ]
    times = {name: cpu_ms(step) for name, step in steps}
    bare, models = times["orjson.loads alone"], times["fhir.resources: model_validate_json"]
    print(f"  {'step':40} {'ms':>8} {'x orjson':>9} {'fhir.resources x faster':>24}")
    for name, spent in times.items():
        print(f"  {name:40} {spent:8.3f} {spent / bare:9.1f} {models / spent:24.1f}")
    total = times["every check, from bytes to decision"]
    print(
        f"  target: under {TARGET_MS} ms and {TARGET_RATIO:g} times faster than the parse of fhir.resources:", end=" "
    )
    print("met" if total < TARGET_MS and models / total > TARGET_RATIO else "not met on this machine, now")


def everything(raw: bytes) -> object:
    """What `protocol` has checked of a message that it accepts."""
    result = check_structure(raw)
    facts = read_facts(result.bundle or {})
    issues = check_message(result.bundle or {}, facts, strict=False, collected=result.collected)
    return issues, decide_row(facts, strict=False)


def cpu_ms(step: Callable[[], Any]) -> float:
    """CPU milliseconds of one call: the best round, so that other work on the machine counts least."""
    step()
    began = time.thread_time()
    step()
    calls = max(1, int(SECONDS_A_ROUND / max(time.thread_time() - began, 1e-6)))
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(calls):
            step()
        best = min(best, (time.thread_time() - began) / calls)
    return best * 1000


if __name__ == "__main__":
    main()
