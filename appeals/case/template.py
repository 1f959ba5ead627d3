"""The ready route «Разбор жалобы» and the dictionaries a new database begins with.

Plain data: the first migration writes it, a company changes its own copy afterwards.
"""

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["CATEGORIES", "PRESS_TYPE", "RECORD_TYPES", "ROUTE", "STAGES"]

ROUTE: Final = "complaint"
PRESS_TYPE: Final = "ЖК"  # what key 3 opens

RECORD_TYPES: Final[Sequence[Mapping[str, str]]] = (
    {"code": "ОБР", "name": "Обращение клиента", "kind": "request"},
    {"code": "ЖК", "name": "Жалоба клиента", "kind": "complaint"},
    {"code": "ЖС", "name": "Жалоба на сотрудника", "kind": "complaint"},
    {"code": "ЖБ", "name": "Жалоба на водителя", "kind": "complaint"},
    {"code": "БЛ", "name": "Благодарность", "kind": "praise"},
    {"code": "ПЖ", "name": "Пожелание", "kind": "proposal"},
)

CATEGORIES: Final[Sequence[Mapping[str, str]]] = (
    {"code": "quality", "name": "Качество товара или услуги"},
    {"code": "delivery", "name": "Доставка и сроки"},
    {"code": "staff", "name": "Поведение сотрудника"},
    {"code": "service", "name": "Обслуживание и связь"},
    {"code": "waiting", "name": "Время ожидания"},
    {"code": "billing", "name": "Цены и расчёты"},
    {"code": "information", "name": "Неверная информация"},
    {"code": "other", "name": "Прочее"},
)

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
