"""The ready route «Разбор жалобы» and what key 3 opens.

Plain data: a company changes its own copy in the database.
"""

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["PRESS_TYPE", "ROUTE", "STAGES"]

ROUTE: Final = "complaint"
PRESS_TYPE: Final = "ЖК"  # what key 3 opens

STAGES: Final[Sequence[Mapping[str, str | int | None]]] = tuple(
    {
        "code": code,
        "route": ROUTE,
        "position": position,
        "name": name,
        "shown_state": shown_state,
        "phase": phase,
        "limit_s": None,
    }
    for position, (code, name, shown_state, phase) in enumerate(
        (
            ("recorded", "Зафиксирована", "Новое", "received"),
            ("assigned", "Назначена", "Назначено", "acknowledged"),
            ("in_work", "В работе", "В работе", "investigating"),
            ("analysed", "Разобрана", "Разобрано", "responded"),
            ("checked", "Проверена", "Проверено", "verified"),
            ("closed", "Закрыта", "Закрыто", "closed"),
            ("rejected", "Отклонена", "Отклонено", "rejected"),
        ),
        start=1,
    )
)
