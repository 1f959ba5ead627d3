"""`press3 reconcile`: a day's presses on every PBX against appeals and recordings, printed."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import date

from appeals.case.errors import PbxUnread
from appeals.reconciliation import read as reconciliation
from calls import days
from press3.config.settings import Settings
from press3.database import open_database
from press3.errors import Press3Error
from press3.one_link import one_link
from press3.telephony_parts import logs_by_pbx, number_rules
from telephony.press_reader import PbxReader

__all__ = ["report"]


async def report(settings: Settings, day: date | None, say: Callable[[str], None]) -> bool:
    """Print the reconciliation of `day`, today when None; return whether there is no difference.

    Raises Press3Error when the day has not begun.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))
        today = days.day_at(database.now(), settings.zone)
        chosen = day or today
        if chosen > today:
            raise Press3Error(f"{chosen} has not begun: in {settings.zone} it is {today}")
        links = [await stack.enter_async_context(one_link(pbx)) for pbx in settings.asterisk]
        reader = PbxReader(links, logs_by_pbx(settings, number_rules(settings)))
        async with database.sessions() as session:
            try:
                found = await reconciliation.run(session, chosen, settings.zone, reader)
            except PbxUnread as error:
                raise Press3Error(f"{error}; try again when its link is back") from error
    say(
        f"{chosen}: pressed {found['pressed']}, registered {found['registered']}, recorded {found['recorded']}"
    )
    for source in found["sources"]:
        say(f"  source {source['name']}: {'complete' if source['complete'] else 'INCOMPLETE'}")
    for each in found["differences"]:
        what = ", ".join(
            f"{key} {each[key]}" for key in ("call", "appeal", "recording") if each[key] is not None
        )
        say(f"  {each['kind']}: {what}; {each['mend']}")
    return not found["differences"]
