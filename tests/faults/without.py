"""press3 without one of its protections: `python -m tests.faults.without NAME serve -c FILE`.

A fault test that stays green without the protection it is about proves nothing. Each name here takes
one protection out of the process under test, by replacing functions before the command runs; the
product itself has no such switch. `pytest tests/faults --without NAME` runs the experiments so;
docs/faults.md says which test went red for which name.
"""

import asyncio
import dataclasses
import os
import sys
import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["DIALPLAN", "SERVICE"]

Replace = Callable[[], None]


def _spool() -> None:
    """What the PBX kept is read neither after a login nor by the sweep."""
    from telephony.catch_up import CatchUp

    async def nothing(*_: Any, **__: Any) -> list[Any]:
        return []

    CatchUp._read_spool = nothing  # type: ignore[method-assign]


def _queue_log() -> None:
    """What the PBX's own logs tell of a gap is not read."""
    from telephony.log_follower import LogFollower

    async def nothing(*_: Any, **__: Any) -> list[Any]:
        return []

    LogFollower.read_gap = nothing  # type: ignore[method-assign]


def _sweep() -> None:
    """Nothing is read again between logins."""
    from telephony.serving import Telephony

    Telephony._sweep = _for_ever  # type: ignore[method-assign, assignment]


def _second_look() -> None:
    """An event that can't be read is counted, and its press waits for the minute's sweep."""
    from telephony.pipeline import Pipeline

    init = Pipeline.__init__

    def without_doubt(self: Any, *args: Any, **named: Any) -> None:
        init(self, *args, **named)
        self._doubtful.set = lambda: None

    Pipeline.__init__ = without_doubt  # type: ignore[method-assign]


def _idempotence() -> None:
    """A press that is told twice counts twice: neither the story nor the key of the appeal knows it."""
    from appeals.intake import presses
    from calls import story

    new_appeal, requested = presses._new_appeal, story._requested

    def of_its_own(told: Any, fact: Any, key: str, *rest: Any) -> dict[str, Any]:
        return new_appeal(told, fact, f"{key}#{uuid.uuid4().hex[:8]}", *rest)

    async def unknown(*_: Any) -> None:
        return None

    def as_if_new(known: Any, fact: Any) -> Any:
        return requested(dataclasses.replace(known, pressed_at=None), fact)

    presses._new_appeal = of_its_own
    presses._appeal_of_key = unknown  # type: ignore[assignment]
    story._FOLDS[story.ComplaintRequested] = as_if_new


def _ping() -> None:
    """Nobody asks whether the PBX is still there."""
    from ami.connection import AmiLink
    from ami.errors import LinkDownError

    async def wait_for_the_end(self: Any, session: Any) -> None:
        await asyncio.wait({session.lost})
        raise LinkDownError(session.lost.result())

    AmiLink._keep_alive = wait_for_the_end  # type: ignore[method-assign]


def _roll_call() -> None:
    """Who is still on the line is not asked: calls that ended unseen stay."""
    from telephony.catch_up import CatchUp

    async def nobody(*_: Any, **__: Any) -> tuple[()]:
        return ()

    CatchUp._roll_call = nobody  # type: ignore[method-assign, assignment]
    CatchUp._after_restart = nobody  # type: ignore[method-assign, assignment]


def _blind_windows() -> None:
    """Gaps are read, but not shown."""
    from calls import storage

    begin = storage.begin_window

    def hidden(session: Any, *rest: Any) -> Any:
        window = begin(session, *rest)
        session.expunge(window)
        return window

    storage.begin_window = hidden


def _recording_sweep() -> None:
    """The folder is not searched for files that nobody told of."""
    from recordings.sweeper import Sweeper

    Sweeper.run = _for_ever  # type: ignore[method-assign, assignment]


def _dead_holder() -> None:
    """A killed holder of the lease is waited for until the lease runs out."""
    from store.lease import Lease

    defaults = dict(Lease.__init__.__kwdefaults__ or {})
    Lease.__init__.__kwdefaults__ = defaults | {"is_alive": lambda holder: None}


def _quick_retry() -> None:
    """A lost link is tried again after 10 to 20 s, as a refused login is."""
    _link_settings(retry_min_s=10, retry_max_s=20)


def _refused() -> None:
    """A refused login looks like a lost line."""
    from ami.connection import AmiLink, LinkState

    set_state = AmiLink._set_state

    def lost(self: Any, state: LinkState, reason: str) -> None:
        set_state(self, LinkState.DOWN if state is LinkState.REFUSED else state, reason)

    AmiLink._set_state = lost  # type: ignore[method-assign]


def _fence() -> None:
    """Who was replaced is not asked for its fence, and does not notice at the next renewal either."""
    from store import lease

    async def nobody_asks(*_: Any) -> None:
        return None

    lease.check = nobody_asks  # type: ignore[assignment]
    lease.Lease.keep = _for_ever  # type: ignore[method-assign, assignment]


def _takeover() -> None:
    """A lease never runs out: a holder that is silent is waited for, for ever."""
    from store.lease import Lease

    Lease._is_free = lambda self, row, now: False  # type: ignore[method-assign]


def _let_go() -> None:
    """A transaction in which its process says nothing is left alone by PostgreSQL."""
    from store import writer

    async def as_it_is(connection: Any) -> None:
        return None

    writer.let_go_when_frozen = as_it_is


def _retry() -> None:
    """A batch that the database refuses is not tried again."""
    from store.errors import CommitFailed
    from telephony.recorder import Recorder

    async def once_only(self: Any, once: Callable[[], Any]) -> Any:
        try:
            return await once()
        except CommitFailed:
            return set()

    Recorder._until_done = once_only  # type: ignore[method-assign]


def _cut_slow() -> None:
    """A screen that does not read is kept."""
    from push.hub import Hub

    begin = Hub.__init__

    def patient(self: Any, **settings: Any) -> None:
        begin(self, **settings | {"backlog_limit_bytes": 1 << 40})

    Hub.__init__ = patient  # type: ignore[method-assign]


def _last_seq() -> None:
    """A screen that comes back is not told what it missed."""
    from push import server

    async def nothing(session: Any, viewer: Any, seq: int) -> tuple[list[Any], int]:
        from store import outbox

        return [], await outbox.last_seq(session)

    server.missed = nothing


def _unreachable() -> None:
    """A folder that can't be read is taken for one without the file."""
    from pathlib import Path

    from recordings import files

    look = files.look

    def blind(pbx: str, remote_path: str, settings: Any) -> Any:
        seen = look(pbx, remote_path, settings)
        return files.Absent(Path(remote_path)) if isinstance(seen, files.OutOfReach) else seen

    files.look = blind


def _clock_back() -> None:
    """A clock set back is not noticed: recordings wait until it comes round again."""
    from datetime import timedelta

    from recordings import lifecycle

    lifecycle.LONGEST_PAUSE = timedelta(days=365)
    lifecycle._not_later = lambda at, now: at


def _both_clocks() -> None:
    """After a PBX's clock was set back only what its new clock calls recent is read."""
    from telephony import catch_up

    catch_up._span = lambda blind_since, stories, at: (blind_since - catch_up._OVERLAP, at)


def _changed() -> None:
    """A file that was changed while it was converted is taken for the one that was read."""
    from recordings.worker import RecordingWorker

    async def as_it_was(self: Any, recording: Any) -> bool:
        return False

    RecordingWorker._has_changed = as_it_was  # type: ignore[method-assign]


def _read_in_time() -> None:
    """A file that is gone after its conversion counts as another one."""
    from recordings.worker import RecordingWorker

    async def is_gone(self: Any, recording: Any) -> bool:
        return not os.path.exists(recording.path)  # noqa: ASYNC240 - a local file of a test

    RecordingWorker._has_changed = is_gone  # type: ignore[method-assign]


def _broken_files() -> None:
    """A file without sound is tried for ever, and nobody is told why."""
    from recordings import lifecycle
    from recordings.model import RecordingState

    lifecycle.after_failure = lambda recording, error: lifecycle.Step(
        to=RecordingState.LINKED, again_s=1.0
    )


def _withdrawal() -> None:
    """Screens are not told that a card goes."""
    _never_tell("pop.withdrawn")


def _cards() -> None:
    """Screens are not told of the card of a ringing call."""
    _never_tell("pop.shown")


def _never_tell(of: str) -> None:
    from push import pops

    tell = pops._tell

    def silent(session: Any, pop: Any, kind: str, data: Any, now: Any) -> None:
        if kind != of:
            tell(session, pop, kind, data, now)

    pops._tell = silent


def _serve_lock() -> None:
    """Nobody looks whether another process serves this SQLite file."""
    from press3 import service

    service._lock = lambda held, database: None


def _link_settings(**changes: Any) -> None:
    from press3 import telephony_parts

    of = telephony_parts.link_settings
    telephony_parts.link_settings = lambda pbx: dataclasses.replace(of(pbx), **changes)


async def _for_ever(*_: Any) -> None:
    await asyncio.Event().wait()


def _settle(monkeypatch: Any) -> None:
    """«принято» is said at once, not 1.2 s after the write."""
    from ivr import dialplan

    monkeypatch.setattr(dialplan, "SETTLE_S", 0)


SERVICE: dict[str, Replace] = {
    "spool": _spool,
    "queue-log": _queue_log,
    "sweep": _sweep,
    "second-look": _second_look,
    "idempotence": _idempotence,
    "ping": _ping,
    "roll-call": _roll_call,
    "blind-windows": _blind_windows,
    "recording-sweep": _recording_sweep,
    "dead-holder": _dead_holder,
    "quick-retry": _quick_retry,
    "refused": _refused,
    "fence": _fence,
    "takeover": _takeover,
    "let-go": _let_go,
    "retry": _retry,
    "cut-slow": _cut_slow,
    "last-seq": _last_seq,
    "unreachable": _unreachable,
    "clock-back": _clock_back,
    "both-clocks": _both_clocks,
    "changed": _changed,
    "read-in-time": _read_in_time,
    "broken-files": _broken_files,
    "withdrawal": _withdrawal,
    "cards": _cards,
    "serve-lock": _serve_lock,
}
# These are rendered into the PBX's files by the test itself, not done in the service.
DIALPLAN: dict[str, Callable[[Any], None]] = {"settle": _settle}


def main() -> None:
    name = sys.argv.pop(1)
    SERVICE[name]()
    from press3.cli import main as press3

    press3(prog_name="press3")


if __name__ == "__main__":
    main()
