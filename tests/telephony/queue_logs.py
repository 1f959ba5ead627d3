"""queue_logs made by chance: calls of every kind that app_queue writes, with who is on the line when."""

from dataclasses import dataclass, field
from random import Random

__all__ = ["MadeLog", "made_log"]

BEGIN = 1795262400
QUEUES = ("500", "600", "700")
MEMBERS = ("PJSIP/101", "Local/102@from-queue/n", "Anna | Desk 3", "Анна")


@dataclass
class MadeLog:
    """`lines` in order of time, as (epoch, line); `lasts`: (first, last) epoch of each channel's lines."""

    lines: list[tuple[int, str]] = field(default_factory=list)
    lasts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def text(self, until: int) -> bytes:
        """Return the file as it is at `until`."""
        return "".join(line + "\n" for at, line in self.lines if at < until).encode()

    def alive(self, until: int) -> frozenset[str]:
        return frozenset(
            channel for channel, (first, last) in self.lasts.items() if first < until <= last
        )

    @property
    def end(self) -> int:
        return max(at for at, _ in self.lines) + 1


def made_log(seed: int, calls: int = 20) -> MadeLog:
    """Return the log of an hour; the PBX starts anew in the middle of every second one."""
    rng, log = Random(seed), MadeLog()
    log.lines.append((BEGIN - 86400, f"{BEGIN - 86400}|NONE|NONE|NONE|QUEUESTART|"))
    restart = BEGIN + 1800 if seed % 2 else None
    for n in range(calls):
        _call(rng, log, n, restart)
    if restart is not None:
        log.lines.append((restart, f"{restart}|NONE|NONE|NONE|QUEUESTART|"))
    for _ in range(20):
        at = BEGIN + rng.randrange(3600)
        log.lines.append((at, f"{at}|NONE|500|PJSIP/101|PAUSE|"))
    log.lines.sort(key=lambda line: line[0])
    return log


def _call(rng: Random, log: MadeLog, n: int, restart: int | None) -> None:
    at = BEGIN + rng.randrange(3500)
    uniqueid, number = f"{at - 3}.{n}", f"+79110000{n:03d}"
    told: list[tuple[int, str]] = []

    def say(queue: str, agent: str, event: str, *data: object) -> None:
        told.append((at, "|".join(map(str, (at, uniqueid, queue, agent, event, *data)))))

    if rng.random() < 0.2:
        say("600", "NONE", "DID", "74951234567")
    for stay in range(rng.randint(1, 4)):
        queue, entered = rng.choice(QUEUES), at
        say(queue, "NONE", "ENTERQUEUE", "", number, 1)
        for _ in range(rng.randint(0, 2)):
            at += rng.randint(1, 5)
            say(queue, rng.choice(MEMBERS), "RINGNOANSWER", 1000)
        at += rng.randint(0, 9)
        over = _leave(rng, say, queue, at - entered, stay)
        if over == "talk":
            talk = rng.randint(1, 30)
            at += talk
            over = _talked(rng, say, queue, told[-1][1].split("|CONNECT")[0], at - entered, talk)
        if over == "gone":
            break
        at += rng.choice((0, 1, 3, 9))
    if restart is not None and told[0][0] < restart <= told[-1][0]:
        told = [(t, line) for t, line in told if t < restart]
    log.lines += told
    log.lasts[uniqueid] = told[0][0], told[-1][0]


def _leave(rng: Random, say: object, queue: str, waited: int, stay: int) -> str:
    assert callable(say)
    kind = rng.choice(("CONNECT", "CONNECT", "ABANDON", "TIMEOUT", "EMPTY", "KEY", "WITHDRAW"))
    if kind == "CONNECT":
        say(queue, rng.choice(MEMBERS), "CONNECT", waited, f"1795262400.9{stay}", 1)
        return "talk"
    if kind == "ABANDON":
        say(queue, "NONE", "ABANDON", 1, 1, waited)
        return "gone" if rng.random() < 0.7 else ""  # else: redirected out of the queue
    if kind == "TIMEOUT":
        say(queue, "NONE", "EXITWITHTIMEOUT", 1, 1, waited)
    elif kind == "EMPTY":
        say(queue, "NONE", "EXITEMPTY", 1, 1, waited)
    elif kind == "KEY":
        say(queue, "NONE", "EXITWITHKEY", rng.choice("139"), 1, 1, waited)
    else:
        say(queue, "NONE", "WITHDRAW", 1, 1, waited, "by hand")
    return ""


def _talked(rng: Random, say: object, queue: str, head: str, held: int, talk: int) -> str:
    assert callable(say)
    agent = head.split("|", 3)[3]
    kind = rng.choice(
        ("COMPLETEAGENT", "COMPLETECALLER", "BLINDTRANSFER", "ATTENDEDTRANSFER", "TRANSFER")
    )
    if kind.startswith("COMPLETE"):
        say(queue, agent, kind, held - talk, talk, 1)
        return "gone" if kind == "COMPLETECALLER" else ""
    if kind == "ATTENDEDTRANSFER":
        say(queue, agent, kind, "BRIDGE", "b-1", held - talk, talk, 1)
    else:
        say(queue, agent, kind, "700", "from-internal", held - talk, talk, 1)
    return ""
