"""Appeals, calls and sound for the screen's tests: plain data in the shapes of the contract."""

import math
import struct
import wave
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

__all__ = [
    "DICTIONARIES",
    "MOSCOW",
    "OPERATOR",
    "SUPERVISOR",
    "appeal",
    "call",
    "party",
    "write_sound",
]

MOSCOW = timezone(timedelta(hours=3))
RATE_HZ = 8000
PEAKS_PER_S = 20

OPERATOR = {
    "id": 1,
    "login": "anna",
    "name": "Анна Соколова",
    "role": "operator",
    "department": {"id": 1, "name": "Приём обращений"},
}
SUPERVISOR = {
    "id": 2,
    "login": "boss",
    "name": "Пётр Иванов",
    "role": "supervisor",
    "department": None,
}

_STAGES = (
    ("recorded", "Зафиксирована", "received", "Новое"),
    ("assigned", "Назначена", "acknowledged", "Назначено"),
    ("in_work", "В работе", "investigating", "В работе"),
    ("analysed", "Разобрана", "responded", "Разобрано"),
    ("checked", "Проверена", "verified", "Проверено"),
    ("closed", "Закрыта", "closed", "Закрыто"),
    ("rejected", "Отклонена", "rejected", "Отклонено"),
)
DICTIONARIES = {
    "timezone": "Europe/Moscow",
    "types": [
        {"code": "ЖК", "name": "Жалоба клиента", "kind": "complaint"},
        {"code": "ОБР", "name": "Обращение клиента", "kind": "request"},
    ],
    "categories": [
        {"code": "delivery", "name": "Доставка и сроки"},
        {"code": "staff", "name": "Поведение сотрудника"},
    ],
    "stages": [
        {"code": code, "name": name, "phase": phase, "shown_state": shown}
        for code, name, phase, shown in _STAGES
    ],
    "employees": [{"id": 1, "name": "Анна Соколова"}, {"id": 2, "name": "Пётр Иванов"}],
}


def party(number: str, name: str | None = None) -> dict[str, Any]:
    e164 = number if number.startswith("+") else None
    kind = "public" if e164 else "anonymous" if number == "anonymous" else "other"
    return {"raw": number, "e164": e164, "name": name, "kind": kind}


def call(
    call_id: str,
    caller: dict[str, Any],
    at: datetime,
    *,
    appeal: int | None = None,
    answered_after_s: float | None = 21,
    talk_s: float = 95,
    recordings: tuple[int, ...] = (),
) -> dict[str, Any]:
    """A ring-all call that pressed 3 at `at`: answered by Анна, or abandoned after 40 s."""
    answered = None if answered_after_s is None else at + timedelta(seconds=answered_after_s)
    rang, ended = at + timedelta(seconds=6.4), (answered or at) + timedelta(seconds=talk_s)
    stopped = answered or ended
    return {
        "id": call_id,
        "pbx": "main",
        "direction": "in",
        "from": caller,
        "to": party("84951234567"),
        "queue": "complaints",
        "pressed_at": at.isoformat(),
        "queue_entered_at": (at + timedelta(seconds=5.9)).isoformat(),
        "queue_left_at": stopped.isoformat(),
        "first_ring_at": rang.isoformat(),
        "started_at": (at - timedelta(seconds=12)).isoformat(),
        "answered_at": answered.isoformat() if answered else None,
        "ended_at": ended.isoformat(),
        "outcome": "answered" if answered else "abandoned",
        "appeal": appeal,
        "legs": [
            _leg("101", OPERATOR, rang, answered, ended, "answered" if answered else "abandoned"),
            _leg("102", SUPERVISOR, rang, None, stopped, "elsewhere" if answered else "abandoned"),
        ],
        "transfers": [],
        "recordings": [
            {
                "id": one,
                "state": "converted",
                "duration_s": 12.0,
                "started_at": at.isoformat(),
                "guessed": False,
            }
            for one in recordings
        ],
        "recovered": False,
    }


def _leg(
    extension: str,
    employee: dict[str, Any],
    rang: datetime,
    answered: datetime | None,
    ended: datetime,
    outcome: str,
) -> dict[str, Any]:
    return {
        "extension": extension,
        "employee": {"id": employee["id"], "name": employee["name"]},
        "rang_at": rang.isoformat(),
        "answered_at": answered.isoformat() if answered else None,
        "ended_at": ended.isoformat(),
        "outcome": outcome,
    }


def appeal(number: int, opened: datetime, caller: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An appeal opened by key 3 a moment ago; `changes` replace fields."""
    made: dict[str, Any] = {
        "number": number,
        "version": 1,
        "kind": "complaint",
        "type": "ЖК",
        "category": None,
        "source": "phone_key",
        "verified": "verified",
        "phase": "received",
        "stage": "Зафиксирована",
        "missing": ["gist", "category"],
        "gist": None,
        "result": None,
        "caller": caller,
        "customer": None,
        "opened_at": opened.isoformat(),
        "deadline_at": (opened + timedelta(hours=24)).isoformat(),
        "responsible": None,
        "calls": [],
        "times": _times(),
        "times_business": None,
        "targets": {"wait_s": {"limit_s": 30, "met": None}},
    }
    return made | changes


def _times() -> dict[str, Any]:
    names = (
        "queue_wait_s",
        "wait_s",
        "abandoned_after_s",
        "ring_s",
        "first_contact_s",
        "take_s",
        "resolution_s",
    )
    return dict.fromkeys(names) | {"stages": [{"stage": "Зафиксирована", "s": None}]}


def write_sound(path: Path, duration_s: float = 12) -> list[int]:
    """Write a WAV that rises and falls like speech; return its peaks, 20 a second, 0..127."""
    loud = [
        0.5 + 0.5 * math.sin(n / 3) * math.cos(n / 17) for n in range(int(duration_s * PEAKS_PER_S))
    ]
    samples = (
        int(
            20_000
            * loud[min(n * PEAKS_PER_S // RATE_HZ, len(loud) - 1)]
            * math.sin(n * 2 * math.pi * 220 / RATE_HZ)
        )
        for n in range(int(duration_s * RATE_HZ))
    )
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return [int(127 * level) for level in loud]
