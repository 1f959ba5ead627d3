"""Logs: a fixed sentence with fields, to stderr. Personal data stands only in fields named `personal_*`,
which are left out unless `[service] log_personal` asks for them."""

import logging
import sys
from logging import ERROR, WARNING

import structlog

__all__ = ["ERROR", "WARNING", "Sparingly", "set_up"]


def set_up(*, json: bool | None = None, level: int = logging.INFO, personal: bool = False) -> None:
    """Send all logs to stderr: readable at a terminal, JSON lines otherwise (`json` decides if given).

    `personal`: the fields with numbers and names as well.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if personal else [_without_personal]),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: list[structlog.typing.Processor] = (
        [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiohttp.server").addFilter(_without_traceback)
    logging.getLogger("asyncio").addFilter(Sparingly())
    for talkative in ("aiohttp.access", "websockets", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def _without_personal(
    _logger: object, _method: str, fields: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {name: value for name, value in fields.items() if not name.startswith("personal_")}


class Sparingly:
    """A filter that lets a line of one kind pass once in `period_s` seconds, and says how many it held back.

    What asyncio says of a process without descriptors comes thousands of times a second.
    """

    _KINDS = 100

    def __init__(self, period_s: float = 10) -> None:
        self._period_s = period_s
        self._passed: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def __call__(self, record: logging.LogRecord) -> bool:
        kind = str(record.msg).partition("\n")[0]
        if record.created - self._passed.get(kind, 0) < self._period_s:
            self._held[kind] = self._held.get(kind, 0) + 1
            return False
        if len(self._passed) >= self._KINDS:
            self._passed.clear()
            self._held.clear()
        self._passed[kind] = record.created
        if held := self._held.pop(kind, 0):
            record.msg, record.args = f"{record.getMessage()} ({held} more like it before)", None
        return True


def _without_traceback(record: logging.LogRecord) -> bool:
    """What is no HTTP is a stranger's fault (any port scan): one line, not an error with its traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and type(error).__module__ == "aiohttp.http_exceptions":
        record.msg, record.args = "a request is no HTTP: %s", (type(error).__name__,)
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True
