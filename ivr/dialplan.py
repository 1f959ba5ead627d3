"""Render the dialplan: the menu, and the press as a durable record inside the PBX (DESIGN §5).

Each press is one AstDB row with marks below it, all times `epoch.ms` in UTC:

    press3/<minute>/<press id>              2|uniqueid|linkedid|time|number|name|DID|menu|queue
    press3/<minute>/<press id>/recording    time|path
    press3/<minute>/<press id>/enter        time|queue            before Queue()
    press3/<minute>/<press id>/answered     time|operator's channel
    press3/<minute>/<press id>/again/<time> uniqueid               3 pressed once more in the call
    press3/<minute>/<press id>/queue        time|QUEUESTATUS       Queue() gave the caller back
    press3/<minute>/<press id>/ended        time

`name` is URIENCODEd, with `.` for each `:`; the number and DID are filtered to digits and `+*#`.
"""

import re

from ami.spool import KEPT
from ivr.menu import Action, Menu

__all__ = ["render_dialplan"]

NOW = "${STRFTIME(,UTC,%s.%3q)}"
# The time between writing the press and telling the caller, measured: AstDB commits once a second.
SETTLE_S = 1.2
KEPT_S = int(KEPT.total_seconds())
PRUNED_AT_ONCE = 60
NO_SUCH_QUEUE = "UNKNOWN"  # measured on 16.28 and 22.10
LABELLED = re.compile(r"\((?P<label>\w+)\)\s*(?P<step>.*)", re.DOTALL)


def render_dialplan(menu: Menu) -> str:
    """Return the text of extensions_press3.conf."""
    parts = (
        _menu(menu),
        _complaint(menu),
        _answered(),
        _ended(menu),
    )
    return "\n".join(parts)


def _extension(name: str, *steps: str) -> str:
    """Write the steps of one extension; a step may begin with its `(label)`."""
    lines: list[str] = []
    for step in steps:
        labelled = LABELLED.fullmatch(step)
        label, app = (f"({labelled['label']})", labelled["step"]) if labelled else ("", step)
        lines.append(f" same => n{label},{app}" if lines else f"exten => {name},1{label},{app}")
    return "\n".join(lines) + "\n"


def _play(sounds: tuple[str, ...]) -> tuple[str, ...]:
    return (f"Playback({'&'.join(sounds)})",) if sounds else ()


def _do(action: Action, menu: Menu) -> tuple[str, ...]:
    match action.kind:
        case "complaint":
            return (*_hook(), "Goto(press3-complaint,s,1)")
        case "menu":
            return ("Goto(press3-menu,s,1)",)
        case "goto":
            return (f"Goto({action.target})",)
        case "queue":
            return (f"Queue({action.target},{menu.queue_options})", "Hangup()")
        case "hangup":
            return (*_play(menu.prompts.goodbye), "Hangup()")


def _menu(menu: Menu) -> str:
    again = f"GotoIf($[${{P3ROUND}} < {menu.rounds}]?s,menu:nochoice,1)"
    keys = {**menu.keys, "3": Action(kind="complaint")}
    return "\n".join(
        [
            "[press3-menu]",
            _extension(
                "s",
                "Answer()",
                f"Set(CHANNEL(language)={menu.language})",
                "Set(P3ROUND=0)",
                "(menu)Set(P3ROUND=$[${P3ROUND} + 1])",
                *_background(menu.prompts.greeting),
                f"WaitExten({menu.menu_timeout_s})",
            ),
            *(_extension(key, *_do(action, menu)) for key, action in sorted(keys.items())),
            _extension("i", *_play(menu.prompts.invalid), again),
            _extension("t", again),
            _extension("nochoice", *_do(menu.no_choice, menu)),
        ]
    )


def _hook() -> tuple[str, ...]:
    """See to it that the end of the call runs `press3-ended`, once.

    The very first step of a press: Asterisk leaves the dialplan between any two steps when the caller
    hangs up. Measured with a hang-up 10 ms behind the key on a busy machine: with the handler some
    steps later 5 of 200 presses that the dialplan had come to were in no record.
    """
    push = "Set(CHANNEL(hangup_handler_push)=press3-ended,s,1)"
    return (f'ExecIf($["${{P3HOOK}}" = ""]?{push})', "Set(P3HOOK=1)")


def _background(sounds: tuple[str, ...]) -> tuple[str, ...]:
    return (f"Background({'&'.join(sounds)})",) if sounds else ()


def _complaint(menu: Menu) -> str:
    return "\n".join(
        [
            "[press3-complaint]",
            "; The order is the promise: nothing is said to the caller before the press is written.",
            _extension(
                "s",
                *_hook(),
                'GotoIf($["${P3KEY}" != ""]?again)',
                *_name_press(menu),
                *_keep_and_tell(menu),
                f"Set(P3WRITTEN={NOW})",
                *_record_audio(menu),
                *_confirm(menu),
                f"Set(DB(${{P3KEY}}/enter)={NOW}|{menu.queue_name})",
                "Goto(queue)",
                f"(again)Set(P3AGAIN={NOW})",
                "Set(DB(${P3KEY}/again/${P3AGAIN})=${UNIQUEID})",
                _tell("P3AGAIN", menu),  # the same key: the same press
                *_queue(menu),
            ),
            _extension("timeout", *_play(menu.prompts.nobody), *_do(menu.queue_timeout, menu)),
            _extension("empty", *_play(menu.prompts.nobody), *_do(menu.queue_empty, menu)),
        ]
    )


def _name_press(menu: Menu) -> tuple[str, ...]:
    """Give the press its key and its row, once per call."""
    row = "|".join(
        (
            "2",
            "${UNIQUEID}",
            "${CHANNEL(linkedid)}",  # ${LINKEDID} is empty on a channel
            "${P3AT}",
            "${FILTER(0-9+*#,${CALLERID(num)})}",
            "${URIENCODE(${REPLACE(P3NAME,:,.)})}",
            "${FILTER(0-9+*#,${CALLERID(dnid)})}",
            menu.name,
            menu.queue_name,
        )
    )
    return (
        f"Set(P3AT={NOW})",
        "Set(P3ID=${UNIQUEID}-${RAND(100000,999999)})",
        # two underscores: the operators' channels inherit it, the member gosub needs it there
        "Set(__P3KEY=press3/${STRFTIME(,UTC,%Y%m%d%H%M)}/${P3ID})",
        # After an unmatched `)` in the name a `:` would cut the value off, so it becomes a `.`.
        "Set(P3NAME=${CALLERID(name)})",
        f"Set(P3ROW={row})",
    )


def _keep_and_tell(menu: Menu) -> tuple[str, ...]:
    """Twice on the PBX (queue_log at once on disk, then AstDB), and only then to press3.

    Doing it again changes nothing: it is one key.
    """
    return (
        "QueueLog(press3,${UNIQUEID},NONE,PRESS3,${P3KEY}|${P3ROW})",
        "Set(DB(${P3KEY})=${P3ROW})",
        _tell("P3AT", menu),
    )


def _tell(at: str, menu: Menu) -> str:
    return f"UserEvent(Press3,Key: ${{P3KEY}},At: ${{{at}}},Queue: {menu.queue_name})"


def _record_audio(menu: Menu) -> tuple[str, ...]:
    """Record from here to the end of the call, beside any recorder that already runs."""
    folder = "${STRFTIME(,,%Y/%m/%d)}"
    name = f"press3-{menu.queue_name}-${{STRFTIME(,,%Y%m%d-%H%M%S)}}-${{UNIQUEID}}"
    return (
        'ExecIf($["${CHANNEL(state)}" != "Up"]?Answer())',
        f"MixMonitor({folder}/{name}.{menu.recording_format})",
        f"Set(DB(${{P3KEY}}/recording)={NOW}|${{MIXMONITOR_FILENAME}})",
    )


def _confirm(menu: Menu) -> tuple[str, ...]:
    """Say that it is registered, never sooner than the write is safe."""
    return (
        f"Set(CHANNEL(language)={menu.language})",
        *_play(menu.prompts.registering),
        f"Set(P3REST=$[${{P3WRITTEN}} + {SETTLE_S} - {NOW}])",
        "ExecIf($[${P3REST} > 0]?Wait(${P3REST}))",
        # a full disk: AstDB forgets in silence. The press is real, so the caller hears the same.
        "ExecIf($[${DB_EXISTS(${P3KEY})} = 0]?UserEvent(Press3Store,Key: ${P3KEY},Stored: no))",
        *_play(menu.prompts.accepted),
    )


def _queue(menu: Menu) -> tuple[str, ...]:
    """Queue with the member gosub, whose place changed in 21: argument 8 before, 7 since."""
    call = f"Queue({menu.queue_name},{menu.queue_options},,,{menu.queue_timeout_s}"
    refused = ("JOINEMPTY", "LEAVEEMPTY", "JOINUNAVAIL", "LEAVEUNAVAIL", "FULL", NO_SUCH_QUEUE)
    empty, waited = _is_one_of(refused), _is_one_of(("TIMEOUT", "WITHDRAW"))
    return (
        "(queue)GotoIf($[${VERSION(ASTERISK_VERSION_NUM)} >= 210000]?since21)",
        f"{call},,,press3-answered)",
        "Goto(left)",
        f"(since21){call},,press3-answered)",
        f"(left)Set(DB(${{P3KEY}}/queue)={NOW}|${{QUEUESTATUS}})",
        # WITHDRAW: a program took him out of the queue, to be served otherwise
        f"GotoIf($[{waited}]?timeout,1)",
        f"GotoIf($[{empty}]?empty,1)",
        'GotoIf($["${QUEUESTATUS}" = "" & ${DB_EXISTS(${P3KEY}/answered)} = 0]?empty,1)',
        "Hangup()",  # he was answered
    )


def _is_one_of(statuses: tuple[str, ...]) -> str:
    return " | ".join(f'"${{QUEUESTATUS}}" = "{status}"' for status in statuses)


def _answered() -> str:
    """The member gosub; it runs on the operator's channel. The first answer is the one that counts."""
    return "\n".join(
        [
            "[press3-answered]",
            _extension(
                "s",
                'GotoIf($["${P3KEY}" = ""]?done)',
                "GotoIf(${DB_EXISTS(${P3KEY}/answered)}?done)",
                f"Set(DB(${{P3KEY}}/answered)={NOW}|${{CHANNEL(name)}})",
                "(done)Return()",
            ),
        ]
    )


def _ended(menu: Menu) -> str:
    """The hangup handler: marks the end, then forgets at most an hour's worth of old families.

    What the caller cut off by hanging up at once is done here: measured on 192 callers who hung up
    within 40 ms of the key, 15 presses were in AstDB and nobody had been told of them.
    """
    return "\n".join(
        [
            "[press3-ended]",
            _extension(
                "s",
                'GotoIf($["${P3ROW}" != ""]?named)',
                *_name_press(menu),
                '(named)GotoIf($["${P3WRITTEN}" != "" & ${DB_EXISTS(${P3KEY})}]?told)',
                *_keep_and_tell(menu),
                f"(told)Set(DB(${{P3KEY}}/ended)={NOW})",
                f"Set(P3OLD=$[${{EPOCH}} - {KEPT_S}])",
                "Set(P3DONE=${IF($[${DB_EXISTS(press3-state/pruned)}]"
                "?${DB(press3-state/pruned)}:${P3OLD})})",
                f"Set(P3LEFT={PRUNED_AT_ONCE})",
                "While($[${P3DONE} + 60 < ${P3OLD} & ${P3LEFT} > 0])",
                "Set(P3DONE=$[${P3DONE} + 60])",
                "DBdeltree(press3/${STRFTIME(${P3DONE},UTC,%Y%m%d%H%M)})",
                "Set(P3LEFT=$[${P3LEFT} - 1])",
                "EndWhile()",
                "Set(DB(press3-state/pruned)=${P3DONE})",
                "Return()",
            ),
        ]
    )
