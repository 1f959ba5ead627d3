"""The dictionaries that a new database begins with."""

from collections.abc import Mapping, Sequence
from typing import Final

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
