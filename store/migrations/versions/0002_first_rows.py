"""The rows every installation begins with: counter, root department, dictionaries, the ready route."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROWS: dict[str, list[dict[str, str | int | None]]] = {
    "outbox_counter": [{"id": 1, "last_seq": 0}],
    "departments": [{"name": "Компания", "parent_id": None}],
    "record_types": [
        {"code": "ОБР", "name": "Обращение клиента", "kind": "request"},
        {"code": "ЖК", "name": "Жалоба клиента", "kind": "complaint"},
        {"code": "ЖС", "name": "Жалоба на сотрудника", "kind": "complaint"},
        {"code": "ЖБ", "name": "Жалоба на водителя", "kind": "complaint"},
        {"code": "БЛ", "name": "Благодарность", "kind": "praise"},
        {"code": "ПЖ", "name": "Пожелание", "kind": "proposal"},
    ],
    "categories": [
        {"code": "quality", "name": "Качество товара или услуги"},
        {"code": "delivery", "name": "Доставка и сроки"},
        {"code": "staff", "name": "Поведение сотрудника"},
        {"code": "service", "name": "Обслуживание и связь"},
        {"code": "waiting", "name": "Время ожидания"},
        {"code": "billing", "name": "Цены и расчёты"},
        {"code": "information", "name": "Неверная информация"},
        {"code": "other", "name": "Прочее"},
    ],
    "stages": [
        {
            "code": code,
            "route": "complaint",
            "position": position,
            "name": name,
            "shown_state": shown_state,
            "phase": phase,
            "limit_s": None,
        }
        for position, code, name, shown_state, phase in (
            (1, "recorded", "Зафиксирована", "Новое", "received"),
            (2, "assigned", "Назначена", "Назначено", "acknowledged"),
            (3, "in_work", "В работе", "В работе", "investigating"),
            (4, "analysed", "Разобрана", "Разобрано", "responded"),
            (5, "checked", "Проверена", "Проверено", "verified"),
            (6, "closed", "Закрыта", "Закрыто", "closed"),
            (7, "rejected", "Отклонена", "Отклонено", "rejected"),
        )
    ],
}


def upgrade() -> None:
    for table, rows in _ROWS.items():
        columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in rows[0]]
        op.bulk_insert(sa.table(table, *columns), rows)


def downgrade() -> None:
    for table in reversed(_ROWS):
        op.execute(sa.delete(sa.table(table)))
