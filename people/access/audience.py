"""The audience of a message: decided when it is written, asked again for each screen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from people.model import Employee, Role

__all__ = ["Audience", "Viewer"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person at a screen. `department_id` None: the whole company."""

    id: int
    role: Role
    department_id: int | None

    @classmethod
    def of(cls, employee: Employee) -> "Viewer":
        """Return `employee` as a viewer."""
        return cls(employee.id, Role(employee.role), employee.department_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """`employees` by name, and everybody of one of `roles` whose department is in charge.

    `departments` are the subject's department and all above it (`people.directory.ancestors`);
    empty: only those of the whole company; None: of any department. Someone without department is
    always in.
    `except_`: employees who are left out whatever else includes them (an accused).
    """

    employees: tuple[int, ...] = ()
    roles: tuple[Role, ...] = ()
    departments: tuple[int, ...] | None = None
    except_: tuple[int, ...] = ()

    def includes(self, viewer: Viewer) -> bool:
        """Return whether `viewer` may see the message."""
        if viewer.id in self.except_:
            return False
        return viewer.id in self.employees or self.includes_kind(viewer)

    def includes_kind(self, viewer: Viewer) -> bool:
        """Return whether the viewer's role and department are included, `except_` apart."""
        return viewer.role in self.roles and self._in_charge(viewer)

    def _in_charge(self, viewer: Viewer) -> bool:
        """Return whether the viewer's department counts; an admin's always does."""
        everywhere = viewer.department_id is None or viewer.role is Role.ADMIN
        return everywhere or self.departments is None or viewer.department_id in self.departments

    def to_json(self) -> dict[str, Any]:
        """Return the form kept in the outbox; `except` is absent when it leaves nobody out."""
        form: dict[str, Any] = {
            "employees": list(self.employees),
            "roles": [role.value for role in self.roles],
            "departments": None if self.departments is None else list(self.departments),
        }
        return form | {"except": list(self.except_)} if self.except_ else form

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Audience":
        """Return the audience whose `to_json` is `data`."""
        departments = data.get("departments")
        return cls(
            employees=tuple(data.get("employees", ())),
            roles=tuple(Role(role) for role in data.get("roles", ())),
            departments=None if departments is None else tuple(departments),
            except_=tuple(data.get("except", ())),
        )
