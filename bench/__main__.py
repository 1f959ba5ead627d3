"""`make bench`: run every benchmark and write bench/RESULTS.md with the machine it ran on."""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

__all__: list[str] = []

HERE = Path(__file__).parent
BENCHES = {
    "ami_read": "AMI reading: the wall beside bare panoramisk",
    "tracker": "Parse, tracker, story and journal: CPU per wanted event",
    "commits": "Durable commits: group commit beside single commits and fsync",
    "push": "Push: one pop, and a broadcast, beside bare websockets",
    "audio": "Recordings: peaks and browser format beside ffmpeg alone",
    "latency": "From the AMI socket to the browser's socket",
    "growth": "Growth: 100 thousand and a million calls in the database",
    "day": "24 hours of calls in fast replay",
}
HEAD = """# Measured

Written by `make bench`; do not edit. Ratios within one run count, single figures only show the order:
the machine is small and shared. Budgets and peers come from the measurements made before the first line.

Machine: {cpus} cores, {memory:.0f} GiB, {system}, Python {python}{mode}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("names", nargs="*", default=list(BENCHES), help="which; all when left out")
    chosen = parser.parse_args()
    parts, failed = [_head(quick=chosen.quick)], []
    for name in chosen.names:
        print(f"== {name}", flush=True)
        text, is_fine = _run(name, quick=chosen.quick)
        parts.append(f"## {BENCHES[name]}\n\n`python -m bench.{name}`{text}\n")
        if not is_fine:
            failed.append(name)
    if set(chosen.names) == set(BENCHES):
        (HERE / "RESULTS.md").write_text("\n".join(parts), encoding="utf-8")
        print("written: bench/RESULTS.md")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _head(*, quick: bool) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return HEAD.format(
        cpus=os.cpu_count(),
        memory=memory,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        mode="; the quick form" if quick else "",
    )


def _run(name: str, *, quick: bool) -> tuple[str, bool]:
    """Return what a benchmark said and how long it took, and whether it came to its end."""
    command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick else [])]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    took_s = time.monotonic() - began
    print(done.stdout, flush=True)
    said = done.stdout.strip()
    text = f" ({took_s:.0f} s)\n\n"
    text += said if said.startswith(("|", "#")) else f"```\n{said}\n```"
    if done.returncode == 0:
        return text, True
    print(f"bench.{name} failed:\n{done.stderr}", flush=True)
    # The last line alone: a traceback would carry this machine's paths into the repository.
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    last = last.replace(str(HERE.parent), ".")
    return f"{text}\n\n**FAILED, exit code {done.returncode}: {last}**", False


if __name__ == "__main__":
    main()
