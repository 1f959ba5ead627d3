"""`make bench`: run every benchmark, or those named, and write bench/RESULTS.md with the machine they ran on."""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

__all__: list[str] = []

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
BENCHES = {
    "ami_read": "AMI reading: the wall beside bare panoramisk",
    "tracker": "From the bytes of a wanted event to what is stored of it: CPU",
    "commits": "Durable presses: group commit beside single commits and fdatasync",
    "push": "Push: one pop, and a broadcast, beside bare websockets",
    "audio": "Recordings: peaks and browser format beside ffmpeg alone",
    "latency": "From the AMI socket to the browser's socket",
    "growth": "Growth: 100 thousand and a million calls in the database",
    "day": "24 hours of calls in fast replay",
}
HEAD = """# Measured

Written by `make bench`; do not edit. Ratios within one run count, single figures only show the order:
the machine is small and shared. Budgets and peers come from the measurements made before the first line.

Machine: {cpus} cores, {memory:.0f} GiB, {system}, Python {python}. Each part says when, at which commit and under
which load of the machine it ran (work waiting for its two cores before the bench began).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("names", nargs="*", default=list(BENCHES), help="which; all when left out")
    chosen = parser.parse_args()
    told, failed = _told_before(), []
    for name in chosen.names:
        print(f"== {name}", flush=True)
        text, is_fine = _run(name, quick=chosen.quick)
        told[name] = f"## {BENCHES[name]}\n\n`python -m bench.{name}`{text}\n"
        if not is_fine:
            failed.append(name)
    if not chosen.quick:
        parts = [_head(), *(told[name] for name in BENCHES if name in told)]
        RESULTS.write_text("\n".join(parts), encoding="utf-8")
        print("written: bench/RESULTS.md")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _told_before() -> dict[str, str]:
    """Return the parts of RESULTS.md by benchmark: what is not run again stays as it was."""
    parts = RESULTS.read_text(encoding="utf-8").split("\n## ")[1:]
    named = {part.partition("`python -m bench.")[2].partition("`")[0]: part for part in parts}
    return {name: f"## {part.rstrip()}\n" for name, part in named.items()}


def _head() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return HEAD.format(
        cpus=os.cpu_count(),
        memory=memory,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def _run(name: str, *, quick: bool) -> tuple[str, bool]:
    """Return what a benchmark said and how long it took, and whether it came to its end."""
    command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick else [])]
    began, load = time.monotonic(), os.getloadavg()[0]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    took_s = time.monotonic() - began
    print(done.stdout, flush=True)
    said = done.stdout.strip()
    text = f" ({_when()}, load {load:.1f}, {took_s:.0f} s)\n\n"
    text += said if said.startswith(("|", "#")) else f"```\n{said}\n```"
    if done.returncode == 0:
        return text, True
    print(f"bench.{name} failed:\n{done.stderr}", flush=True)
    # The last line alone: a traceback would carry this machine's paths into the repository.
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    last = last.replace(str(HERE.parent), ".")
    return f"{text}\n\n**FAILED, exit code {done.returncode}: {last}**", False


def _when() -> str:
    """The day and the commit, with + when the tree was changed."""
    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty=+"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return f"{time.strftime('%F', time.gmtime())}, {commit or 'no git'}"


if __name__ == "__main__":
    main()
