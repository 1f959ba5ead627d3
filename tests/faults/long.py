"""`make faults-long`: 1,000 kills of press3, 100 of Asterisk, 100 of both, in parts that add up.

Each part is an experiment of its own, with a fresh PBX and database, its verdict and a line in the
report; started again, it goes on where the report ends.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.report import table


@dataclass(frozen=True)
class Plan:
    """`total` repetitions of a test in parts of `part`; `experiment` is its name in the report."""

    experiment: str
    test: str
    option: str
    total: int
    part: int


PLANS = (
    Plan(
        "Asterisk killed -9",
        "test_pbx_kills.py::test_asterisk_killed_again_and_again",
        "--pbx-kills",
        100,
        25,
    ),
    Plan(
        "both killed -9",
        "test_pbx_kills.py::test_both_killed_together_and_in_turn",
        "--both-kills",
        100,
        25,
    ),
    Plan(
        "press3 killed -9 (Asterisk 22)",
        "test_service_kills.py::test_killed_at_random_moments_nothing_is_lost_nothing_doubled[22]",
        "--kills",
        1000,
        100,
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    report: Path = parser.parse_args().report
    report.parent.mkdir(parents=True, exist_ok=True)
    failed = False
    while (plan := _next(report)) is not None:
        before = _done(report, plan)
        failed |= _run(plan, min(plan.part, plan.total - before), report) != 0
        if _done(report, plan) == before:
            return 1  # it did not come to a verdict: to go on would be to turn in circles
    print(table(_lines(report)))
    return int(failed)


def _next(report: Path) -> Plan | None:
    """Return the plan of which the smallest part is done; None when all are."""
    plan = min(PLANS, key=lambda plan: _done(report, plan) / plan.total)
    return plan if _done(report, plan) < plan.total else None


def _done(report: Path, plan: Plan) -> int:
    return sum(line["times"] for line in _lines(report) if line["experiment"] == plan.experiment)


def _lines(report: Path) -> list[dict[str, Any]]:
    text = report.read_text() if report.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def _run(plan: Plan, times: int, report: Path) -> int:
    command = [sys.executable, "-m", "pytest", "-q", f"tests/faults/{plan.test}"]
    command += [plan.option, str(times), "--report", str(report)]
    # other runs on this machine would clear away what explains a failure
    command += ["--basetemp", str(report.with_suffix(f".{len(_lines(report))}").absolute())]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
