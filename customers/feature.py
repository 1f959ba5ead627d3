"""What customers add to the desk."""

from typing import Final

from customers.model import (
    Customer,
    CustomerPhone,
)
from store.feature import Feature

__all__ = ["FEATURE"]

FEATURE: Final = Feature(
    name="customers",
    tables=(
        Customer,
        CustomerPhone,
    ),
)
