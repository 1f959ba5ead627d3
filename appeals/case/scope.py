"""The readers of an appeal or a call, declared once.

`appeals.case.rights` asks it of one person and one subject, `appeals.case.reach` makes an SQL
condition of it, `appeals.case.audience` the audience of a message. A test compares the three over a
whole company.
"""

from typing import Final

from people.model import Role

__all__ = ["BY_DEPARTMENT", "EVERYTHING", "MANY", "OWN_COLUMNS", "PRESS"]

# These roles read what belongs to their department or to one below it; without a department, all.
# Operators and executors never do, so they are in no department's audience: at 200 presses a second
# the frames of a press go to the few who handle it.
BY_DEPARTMENT: Final = frozenset({Role.HANDLER, Role.SUPERVISOR, Role.AUDITOR})
EVERYTHING: Final = frozenset({Role.ADMIN})
MANY: Final = tuple(role for role in Role if role in BY_DEPARTMENT | EVERYTHING)

# Columns of `appeals` that name an employee who reads the appeal whatever the role.
OWN_COLUMNS: Final = ("responsible_id",)

# `AppealCall.link` of the call that opened the appeal. The employees at whose telephones that call
# rang read the appeal; any other linked call gives that call only.
PRESS: Final = "press"
