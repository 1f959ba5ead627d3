"""A call centre without people: a private PBX for press3, and a world that keeps calling it."""

import asyncio
import itertools
import secrets
from pathlib import Path
from typing import Any

from press3.config.settings import Settings
from press3.demo.asterisk import PrivateAsterisk
from press3.demo.pbx_files import PbxPorts
from press3.demo.plans import DEMO_OPERATORS, CallPlan, Planner
from press3.demo.tree import AsteriskTree
from press3.demo.world import COMPANY_NUMBER, pbx_conf, world_conf
from press3.menu_files import render_files

__all__ = ["DEMO_OPERATORS", "DemoCalls", "DemoPbx"]


class DemoPbx:
    """The company's PBX with the files that `press3 render` writes, and the world outside.

    `settings` are the sections of config.toml that belong to this PBX. Use as `async with`; both
    Asterisks stop at its end, and die with this process.
    """

    def __init__(self, tree: AsteriskTree, folder: Path) -> None:
        ports, outside = PbxPorts(), PbxPorts()
        self.version = f"Asterisk {tree.version}"
        self.settings: dict[str, Any] = {
            "asterisk": [
                {
                    "name": "demo",
                    "host": "127.0.0.1",
                    "port": ports.ami,
                    "username": "press3",
                    "secret": secrets.token_urlsafe(24),
                }
            ],
            "ivr": {
                "members": [f"PJSIP/{extension}" for extension in DEMO_OPERATORS],
                "menu_timeout_s": 4,
                "rounds": 2,
                "queue_timeout_s": 60,
                "ring_s": 12,
            },
            "recordings": {"roots": [folder / "pbx/spool/monitor"]},
        }
        rendered = render_files(Settings.model_validate(self.settings))
        self.pbx = PrivateAsterisk(
            tree, folder / "pbx", etc={**pbx_conf(ports, outside), **rendered}
        )
        self.world = PrivateAsterisk(tree, folder / "world", etc=world_conf(ports, outside))

    async def __aenter__(self) -> "DemoPbx":
        try:
            await asyncio.gather(self.pbx.start(), self.world.start())
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.world.kill9()  # telephones go silent first, so that the PBX has nothing to wait for
        await self.pbx.stop()


class DemoCalls:
    """Places calls for ever, at `calls_a_minute` on average. The same `seed` gives the same callers."""

    def __init__(self, demo: DemoPbx, *, calls_a_minute: float = 12, seed: int = 3) -> None:
        self._spool = demo.world.directory / "spool"
        self._calls_a_minute = calls_a_minute
        self._planner = Planner(seed)
        self._numbers = itertools.count(1)

    async def run(self) -> None:
        """Call until cancelled."""
        while True:
            self.place(self._planner.next())
            await asyncio.sleep(self._planner.pause_s(self._calls_a_minute))

    def place(self, plan: CallPlan) -> None:
        """Start one call, by a call file: Asterisk takes it the moment it appears, whole."""
        name = f"{next(self._numbers)}.call"
        draft = self._spool / "tmp" / name
        text = _outbound(plan) if plan.kind == "outbound" else _incoming(plan)
        draft.write_text(text, encoding="utf-8")
        draft.rename(self._spool / "outgoing" / name)


def _incoming(plan: CallPlan) -> str:
    variables = {
        "NUMBER": plan.number,
        "KEY": plan.key,
        "BEFORE": str(plan.before_key_s),
        "PATIENCE": str(plan.patience_s),
        "VOICE": plan.voice,
        **{f"PLAN{extension}": does for extension, does in plan.operators.items()},
    }
    return (
        f"Channel: PJSIP/{COMPANY_NUMBER}@pbx\n"
        f'CallerID: "{plan.name}" <{plan.number}>\n'
        "Context: customers\nExtension: s\nPriority: 1\nWaitTime: 30\nMaxRetries: 0\n"
        + "".join(f"Setvar: {name}={value}\n" for name, value in variables.items())
    )


def _outbound(plan: CallPlan) -> str:
    dialled = "8" + plan.number.removeprefix("+7")
    return (
        f"Channel: PJSIP/{dialled}@pbx\n"
        f'CallerID: "{DEMO_OPERATORS[plan.operator]}" <{plan.operator}>\n'
        "Context: outbound\nExtension: s\nPriority: 1\nWaitTime: 30\nMaxRetries: 0\n"
    )
