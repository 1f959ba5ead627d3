"""Results of the experiments: a line of JSON each, and the table of docs/faults.md made of them.

`python -m tests.faults.report RESULTS [docs/faults.md]` prints the table, or puts it into the document.
Several runs add up: what one experiment reached in all of them is one row.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.site import Site
    from tests.faults.verdict import Verdict

__all__ = ["note", "table"]

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
_ADD_UP = ("times", "callers", "pressed", "sure", "appeals", "spool", "recordings", "windows")
_MUST_BE_0 = ("lost", "doubled", "invented", "ghosts")


def note(
    file: Path,
    experiment: str,
    site: "Site",
    verdict: "Verdict",
    *,
    wrong: Sequence[str],
    **measured: object,
) -> None:
    """Add the result of one experiment to `file`."""
    counts = {
        name: getattr(verdict, name)
        for name in (*_ADD_UP[1:], *_MUST_BE_0, "overtaken", "settled_s")
    }
    serving = [start.serving_s for start in site.service.starts if start.serving_s is not None]
    line = {
        "experiment": experiment,
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "commit": _commit(),
        "seed": site.seed,
        **counts,
        "starts": len(site.service.starts),
        "serving_s": [round(each, 2) for each in serving],
        **measured,
        "wrong": list(wrong),
    }
    with file.open("a") as report:
        report.write(json.dumps(line, ensure_ascii=False) + "\n")


def _commit() -> str:
    asked = subprocess.run(
        ("git", "describe", "--always", "--dirty"), capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Return the results as a Markdown table, a row an experiment, the runs of each added up."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_name.setdefault(line["experiment"], []).append(line)
    head = (
        "| experiment | times | callers | must be registered | appeals | lost | doubled | invented "
        "| ghosts | recordings | blind windows | measured | commit |"
    )
    rows = [_row(name, runs) for name, runs in by_name.items()]
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rows])


def _row(name: str, runs: Sequence[dict[str, Any]]) -> str:
    def total(key: str) -> int:
        return sum(run.get(key) or 0 for run in runs)

    cells = [
        name,
        *(str(total(key)) for key in ("times", "callers", "sure", "appeals")),
        *(f"**{total(key)}**" for key in _MUST_BE_0),
        *(str(total(key)) for key in ("recordings", "windows")),
        _measured(runs),
        ", ".join(dict.fromkeys(run["commit"] for run in runs)),
    ]
    return f"| {' | '.join(cells)} |"


def _measured(runs: Sequence[dict[str, Any]]) -> str:
    said = []
    for key in ("serving_s", "reconnect_s", "noticed_s", "caught_up_s"):
        values = sorted(value for run in runs for value in _values(run.get(key)))
        if values:
            middle = values[len(values) // 2]
            said.append(f"{key.removesuffix('_s')} {middle:.1f} s (worst {values[-1]:.1f})")
    failed = sum(bool(run["wrong"]) for run in runs)
    return "; ".join(said + ([f"**{failed} of {len(runs)} runs failed**"] if failed else []))


def _values(value: Any) -> list[float]:
    return list(value) if isinstance(value, list) else [value] if value is not None else []


def main() -> None:
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines() if line]
    if len(sys.argv) == 2:
        print(table(lines))
        return
    document = Path(sys.argv[2])
    before, _, rest = document.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n\n{table(lines)}\n\n{END}{after}")


if __name__ == "__main__":
    main()
