"""What people can do wrong with people: whose fault, with the data, said once."""

__all__ = [
    "ExtensionTaken",
    "LockedOut",
    "LoginTaken",
    "PeopleError",
    "RosterError",
    "SignInRefused",
    "UnknownDepartment",
    "UnknownEmployee",
    "UnknownRole",
    "WeakPassword",
    "WrongValue",
]


class PeopleError(Exception):
    """Base of this package's errors; the text is for people and holds no secret."""


class SignInRefused(PeopleError):
    """Login or password is wrong, or the employee is disabled: which, is not told."""

    def __init__(self) -> None:
        super().__init__("login or password is wrong")


class LockedOut(PeopleError):
    """Too many failures for this login; the right password is refused as well until the time is over."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many failed sign-ins; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class RosterError(PeopleError):
    """An employee can't be added or changed so."""


class LoginTaken(RosterError):
    def __init__(self, login: str) -> None:
        super().__init__(f"login {login!r} is taken")
        self.login = login


class ExtensionTaken(RosterError):
    def __init__(self, extension: str, owner: str) -> None:
        super().__init__(f"extension {extension} belongs to {owner!r}")
        self.extension = extension
        self.owner = owner


class UnknownDepartment(RosterError):
    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"no department {name!r}; there are: {', '.join(known)}")
        self.name = name


class UnknownRole(RosterError):
    def __init__(self, role: str, known: list[str]) -> None:
        super().__init__(f"no role {role!r}; use one of: {', '.join(known)}")
        self.role = role


class UnknownEmployee(RosterError):
    def __init__(self, login: str) -> None:
        super().__init__(f"nobody has the login {login!r}")
        self.login = login


class WeakPassword(RosterError):
    def __init__(self, why: str) -> None:
        super().__init__(f"this password can't be used: {why}")


class WrongValue(RosterError):
    """A login, name or extension of the wrong form."""
