"""The commands. Each reads the configuration, does one thing, and says errors without a traceback.

Exit codes: 0 fine, 1 failed, 2 wrong use (bad configuration or arguments), 141 nobody reads the output any more.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from sqlalchemy.exc import DBAPIError

from people.errors import PeopleError
from press3 import logs, menu_files
from press3.config import ami_secret, exposure, settings
from press3.database_faults import in_use
from press3.errors import Press3Error
from store.errors import StoreError
from web.years import with_sound_year

__all__ = ["main"]

P = ParamSpec("P")
T = TypeVar("T")
# `people.model.Role`, which is not imported here: a command starts without the database's libraries.
ROLES = ("operator", "handler", "executor", "supervisor", "auditor", "admin")


class Day(click.ParamType[date]):
    """A day of the calendar, written YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            self.fail(
                f"{value!r} is no day: write it as YYYY-MM-DD, such as 2026-11-26", param, ctx
            )
        try:
            day = date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day of the calendar", param, ctx)
        try:
            return with_sound_year(day)
        except ValueError as error:
            self.fail(f"{value}: {error}", param, ctx)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="press3")
def main() -> None:
    """press3: the complaint desk of a call centre on Asterisk."""


class _NobodyReads(Exception):
    """Standard output is a pipe whose reader is gone, `head` for one."""


def _say(text: object) -> None:
    try:
        click.echo(text)
    except BrokenPipeError as error:
        raise _NobodyReads from error


def _end_as_sigpipe_does() -> None:
    """Silently. What is still in the buffer goes nowhere, or the interpreter would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)


def _plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Turn our errors into a clear line on stderr and the right exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except _NobodyReads:
            _end_as_sigpipe_does()
        except Press3Error as error:
            _fail(str(error), error.exit_code)
        except (PeopleError, StoreError) as error:
            _fail(str(error), 1)
        except DBAPIError as error:
            _fail(str(in_use(error)), 1)

    return wrapped


def _closed(command: Callable[P, None]) -> Callable[P, None]:
    """Close every file and folder that the command makes to other users, whatever the umask.

    Callers' numbers, passwords' hashes and recordings are in them. SQLite takes no mode for its files:
    hence the umask.
    """

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        before = os.umask(0o077)
        try:
            command(*args, **kwargs)
        finally:
            os.umask(before)

    return wrapped


def _config(command: Callable[P, None]) -> Callable[P, None]:
    """Add `-c FILE`, say errors plainly, and close what is made."""
    option = click.option(
        "-c",
        "--config",
        "file",
        type=click.Path(path_type=Path),
        default=Path("config.toml"),
        show_default=True,
        help="Configuration file.",
    )
    return option(_plainly(_closed(command)))


def _fail(message: str, code: int) -> None:
    click.echo(f"press3: {message}", err=True)
    sys.exit(code)


def _with_secrets(file: Path) -> settings.Settings:
    """Load the configuration for a command that logs in to the PBX, or writes its account."""
    found = settings.load(file)
    ami_secret.require_secrets(found, file)
    return found


def _run(work: Coroutine[Any, Any, None], *, personal: bool = False) -> None:
    _result(work, personal=personal)


def _result(work: Coroutine[Any, Any, T], *, personal: bool = False) -> T:
    logs.set_up(personal=personal)
    return asyncio.run(work)


def _password_options(command: Callable[P, None]) -> Callable[P, None]:
    given = click.option(
        "--password-stdin", is_flag=True, help="Read the password from standard input."
    )
    changed = click.option(
        "--must-change", is_flag=True, help="The password is good only to choose another."
    )
    return given(changed(command))


@main.command()
@_config
def serve(file: Path) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    from press3.service import serve as run

    found = _with_secrets(file)
    _run(run(found), personal=found.service.log_personal)


@main.command("check-config")
@_config
def check_config(file: Path) -> None:
    """Say whether the configuration can be used, and where it can't."""
    from press3.config.call_remarks import call_remarks

    found = _with_secrets(file)
    if found.asterisk:
        menu_files.render_files(found, file)
        if (remark := menu_files.queue_remark(found)) is not None:
            click.echo(f"{file}: {' — '.join(remark)}", err=True)
    else:
        click.echo(f"{file}: warning: {' — '.join(menu_files.NO_PBX)}", err=True)
    for remark in (*call_remarks(found), *exposure.remarks(found)):
        click.echo(f"{file}: warning: {' — '.join(remark)}", err=True)
    _say(f"{file}: fine; {len(found.asterisk)} Asterisk, data in {found.service.data_dir}")


@main.command()
@_config
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
def render(file: Path, out: Path) -> None:
    """Write the files for Asterisk: dialplan, AMI user, queue."""
    files = menu_files.render_files(_with_secrets(file), file)
    menu_files.write_files(files, out)
    for name in files:
        _say(out / name)


@main.command()
@_config
def migrate(file: Path) -> None:
    """Create the database or bring it up to date."""
    from press3 import schema
    from press3.database import migrate as bring_up_to_date

    _run(bring_up_to_date(settings.load(file)))
    _say(f"database is at revision {schema.head()}")


@main.group()
def user() -> None:
    """Employees who sign in."""


@user.command("add")
@click.argument("login")
@_config
@click.option("--name", help="Shown name; the login when left out.")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--extension", help="The telephone that is this employee's.")
@click.option("--department", help="Left out: the whole company. Made when it does not exist.")
@_password_options
def user_add(
    file: Path, login: str, password_stdin: bool, must_change: bool, **given: str | None
) -> None:
    """Add an employee; the password is asked for."""
    from press3.users import add_user

    password = _ask_password(stdin=password_stdin)
    found = settings.load(file)
    _run(add_user(found, login=login, password=password, must_change=must_change, **given))
    _say(f"employee {login} added")


@user.command("password")
@click.argument("login")
@_config
@_password_options
def user_password(file: Path, login: str, password_stdin: bool, must_change: bool) -> None:
    """Give an employee a new password; it is asked for. Open sessions end."""
    from press3.users import set_password

    password = _ask_password(stdin=password_stdin)
    _run(set_password(settings.load(file), login, password, must_change=must_change))
    _say(f"employee {login} has a new password")


@user.command("disable")
@click.argument("login")
@_config
def user_disable(file: Path, login: str) -> None:
    """End an employee's access at once and free the telephone; the name stays with what was done."""
    from press3.users import disable_user

    _run(disable_user(settings.load(file), login))
    _say(f"employee {login} is disabled")


@user.command("telephone")
@click.argument("login")
@click.argument("number")
@_config
@click.option("--until", type=Day(), help="The last day on which it is; left out: no end.")
def user_telephone(file: Path, login: str, number: str, until: date | None) -> None:
    """Give an employee a telephone: an extension, or an outside number such as a mobile."""
    from press3.give_telephone import give_telephone

    _run(give_telephone(settings.load(file), login, number, until, _say))


@user.command("unlock")
@click.argument("login")
@_config
def user_unlock(file: Path, login: str) -> None:
    """Forgive an employee's failed sign-ins: the right password is accepted again at once."""
    from press3.users import unlock_user

    forgiven = _result(unlock_user(settings.load(file), login))
    _say(f"employee {login} may sign in again; failed sign-ins forgiven: {forgiven}")


@user.command("totp-reset")
@click.argument("login")
@_config
def user_totp_reset(file: Path, login: str) -> None:
    """Forget an employee's second factor (the telephone is lost) and end all sessions."""
    from press3.users import reset_user_totp

    _run(reset_user_totp(settings.load(file), login))
    _say(f"employee {login} has no second factor any more")


@user.command("sign-out")
@click.argument("login")
@_config
def user_sign_out(file: Path, login: str) -> None:
    """End all sessions of an employee."""
    from press3.users import end_user_sessions

    ended = _result(end_user_sessions(settings.load(file), login))
    _say(f"employee {login} is signed out everywhere; sessions ended: {ended}")


def _ask_password(*, stdin: bool) -> str:
    if stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@main.command()
@_config
@click.option(
    "--call", is_flag=True, help="Watch a test call: call, press 3, see what press3 sees."
)
@click.option("--pbx", help="With --call: at which PBX; the first when left out.")
@click.option("--from", "caller", default="", help="With --call: only a call from this number.")
@click.option("--wait", "wait_s", type=click.FloatRange(1, 3600), default=120, show_default=True)
def doctor(file: Path, *, call: bool, pbx: str | None, caller: str, wait_s: float) -> None:
    """Look at everything press3 needs and say what is wrong and what to do. Changes nothing."""
    from press3.doctor.examination import examine
    from press3.doctor.guided_call import guide

    logs.set_up(level=logs.ERROR)
    found = _with_secrets(file)
    if call:
        work = guide(found, _say, pbx=pbx, caller=caller, wait_s=wait_s)
    else:
        work = examine(found, _say, file)
    if not asyncio.run(work):
        sys.exit(1)


@main.command()
@_config
@click.option("--day", type=Day(), help="Local day, as 2026-11-26; today when left out.")
def reconcile(file: Path, day: date | None) -> None:
    """Compare a day's presses on the PBX with appeals and recordings."""
    from press3.reconcile import report

    logs.set_up(level=logs.ERROR)
    if not asyncio.run(report(settings.load(file), day, _say)):
        sys.exit(1)


@main.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@_config
@click.option("--pbx", help="Which PBX; the first when left out.")
@click.option("--minutes", type=click.IntRange(1, 14 * 24 * 60), default=60, show_default=True)
def capture(file: Path, out: Path, pbx: str | None, minutes: int) -> None:
    """Write the stored events of the last minutes, numbers and names made unrecognisable."""
    from press3.traces import capture as write

    _run(write(settings.load(file), out, pbx=pbx, minutes=minutes))
    _say(f"{out}: written; look at it before you send it to anybody")


@main.command()
@click.argument(
    "trace", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@_config
@click.option(
    "--journal",
    is_flag=True,
    help="Instead of a trace: tell the calls of the last 14 days anew by today's rules, say what changes.",
)
@click.option("--apply", is_flag=True, help="With --journal: store what changes.")
def replay(file: Path, trace: Path | None, *, journal: bool, apply: bool) -> None:
    """Feed a captured TRACE into the configured database and print the calls it tells."""
    if (trace is None) != journal or (apply and not journal):
        raise click.UsageError("give a TRACE, or --journal with or without --apply")
    logs.set_up()
    if trace is not None:
        from press3.replay import replay as feed

        asyncio.run(feed(settings.load(file), trace, _say))
    else:
        from press3.journal_replay import replay_journal

        asyncio.run(replay_journal(settings.load(file), _say, apply=apply))


@main.command()
@_plainly
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8300,
    show_default=True,
    help="Port of the screen; 0: any.",
)
@click.option("--seconds", type=float, help="Stop by itself after so long.")
@click.option("--calls-a-minute", type=float, default=12, show_default=True)
def demo(port: int, seconds: float | None, calls_a_minute: float) -> None:
    """A call centre that calls itself: Asterisk, operators, customers, press3."""
    from press3.demo.run import demo as run

    sys.exit(asyncio.run(run(port=port, seconds=seconds, calls_a_minute=calls_a_minute)))
