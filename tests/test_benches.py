"""Every benchmark still runs, in its quick form and small; its figures mean nothing here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import growth
from bench.__main__ import BENCHES

ROOT = Path(__file__).parent.parent
LIMIT_S = 300
# What makes it smaller still, or spares it what other tests are for: a real Asterisk, PostgreSQL.
SMALL = {
    "commits": ("--no-postgres",),
    "push": ("--screens", "20"),
    "latency": ("--rate", "10", "--operators", "5", "--asterisk"),
    "growth": ("--calls", "2000"),
    "day": ("--calls", "40"),
}


@pytest.mark.parametrize("name", BENCHES)
def test_the_quick_form_runs_and_measures(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--quick", *SMALL.get(name, ())],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=ROOT,
        env={**os.environ, "PRESS3_BENCH_PEERS": "no"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) >= 3, f"no table: {done.stdout}"


def test_growth_says_how_cost_grows(capsys: pytest.CaptureFixture[str]) -> None:
    growth.growth((100_000, {"start": 2.0}), (1_000_000, {"start": 3.0}))
    said = capsys.readouterr().out
    assert "10 times as many" in said
    assert "| start | 2.0 | 3.0 | × 1.5 |" in said
