"""`make bench`: every benchmark in turn, or those that are named. They print ratios and fail nothing."""

from __future__ import annotations

import importlib
import sys

ALL = ("message_checks", "point_to_ast", "process_message", "failsafe", "board")


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all of them."""
    unknown = set(names) - set(ALL)
    if unknown:
        sys.exit(f"there is no benchmark {sorted(unknown)}; there are {', '.join(ALL)}")
    for name in names or ALL:
        print(f"\n== {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
