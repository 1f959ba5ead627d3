"""What is recorded when an appeal loses a customer that was none."""

from dataclasses import dataclass
from typing import ClassVar

from appeals.case.entry import Entry

__all__ = ["CallUnlinked", "CustomerDetached", "FirstContactCorrected"]


@dataclass(frozen=True, kw_only=True)
class CustomerDetached(Entry):
    """The appeal is no longer the customer's."""

    TYPE: ClassVar = "customer_detached"

    customer: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class CallUnlinked(Entry):
    """A call no longer belongs to the appeal."""

    TYPE: ClassVar = "call_unlinked"

    call: str
    direction: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class FirstContactCorrected(Entry):
    """The first contact was in a call that is unlinked now. None: there was no contact."""

    TYPE: ClassVar = "first_contact_corrected"

    old: str | None
    new: str | None
