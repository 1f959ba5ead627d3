"""Run a command beside busy processes: `python -m tests.busy 4 -- .venv/bin/python -m pytest -m timing`.

So many processes want a processor all the time, until the command ends, at most for an hour. The exit
code is the command's. They end with this process, also when it is killed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from press3.demo.asterisk import dying_with_parent

__all__ = ["busy_processes", "main"]

_AT_MOST_S = 3600
_WORK = f"import time; end = time.monotonic() + {_AT_MOST_S}\nwhile time.monotonic() < end: sum(range(1000))"


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep `count` processes busy inside the block."""
    command = [*dying_with_parent(), sys.executable, "-c", _WORK]
    working = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for each in working:
            each.kill()
            each.wait()


def main() -> int:
    count, dashes, *command = sys.argv[1:]
    if dashes != "--" or not command:
        print(__doc__)
        return 2
    began = time.monotonic()
    with busy_processes(int(count)):
        code = subprocess.run(command).returncode
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(
        f"beside {count} busy processes: {time.monotonic() - began:.0f} s, load {load}, code {code}"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
