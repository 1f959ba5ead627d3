"""What people can do wrong with people: whose fault, with the data, in one text."""

__all__ = [
    "Crowded",
    "ExtensionTaken",
    "LockedOut",
    "LoginTaken",
    "NoSecondFactor",
    "NoSuchSession",
    "PeopleError",
    "RosterError",
    "SecondFactorNeeded",
    "SignInRefused",
    "TooManyAttempts",
    "UnknownDepartment",
    "UnknownEmployee",
    "UnknownRole",
    "WeakPassword",
    "WrongPassword",
    "WrongValue",
]


class PeopleError(Exception):
    """Base of this package's errors; the text is for people and holds no secret."""


class SignInRefused(PeopleError):
    """Login or password is wrong, or the employee is disabled: which one, stays secret."""

    def __init__(self) -> None:
        super().__init__("login or password is wrong")


class LockedOut(PeopleError):
    """Too many failures for this login on this kind of device; the right password is refused as well until the time is over."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many failed sign-ins; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class TooManyAttempts(PeopleError):
    """Too many failures from this address; known devices may still sign in from it."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"too many failed sign-ins from this address; try again in {retry_after_s} s"
        )
        self.retry_after_s = retry_after_s


class Crowded(PeopleError):
    """More sign-ins at once than can be checked: this one was not checked."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many sign-ins at once; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class SecondFactorNeeded(PeopleError):
    """The password is right, and a code is asked for too. `wrong`: one was given, and is no good."""

    def __init__(self, *, wrong: bool) -> None:
        super().__init__(
            "the code is wrong or used" if wrong else "a code of the second factor is needed"
        )
        self.wrong = wrong


class WrongPassword(PeopleError):
    """Somebody who is signed in gave a password that is not theirs."""

    def __init__(self) -> None:
        super().__init__("the password is wrong")


class NoSecondFactor(PeopleError):
    """There is nothing to confirm, or the service asks for no second factor."""


class NoSuchSession(PeopleError):
    """It is over, or somebody else's."""

    def __init__(self) -> None:
        super().__init__("there is no such session")


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
    """`reason` is for programs: too-short, too-long, repeats, common, own-name, same."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(f"this password can't be used: {why}")
        self.reason = reason


class WrongValue(RosterError):
    """A login, name or extension of the wrong form."""
