"""The list of features is complete: what a package has and does not declare is found here."""

import importlib
from collections import Counter
from pathlib import Path

import pytest

from appeals.case.entry import Entry
from press3 import schema
from press3.features import FEATURES, entry_kinds
from store.base import Base
from store.typed import Typed

ROOT = Path(__file__).parents[1]
PACKAGES = ("ami", "appeals", "calls", "customers", "ivr", "people", "press3", "push", "recordings", "store", "telephony", "web")  # fmt: skip


def every_module() -> list[str]:
    files = (file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py")))
    names = (file.relative_to(ROOT).with_suffix("").parts for file in files)
    run_by_others = ("__main__", "versions", "env", "ui")
    return [".".join(parts) for parts in names if not set(parts) & set(run_by_others)]


def subclasses_of(kind: type) -> set[type]:
    """Return the classes below `kind` that the product's own modules define."""
    found = set(kind.__subclasses__())
    for each in kind.__subclasses__():
        found |= subclasses_of(each)
    return {each for each in found if each.__module__.split(".")[0] in PACKAGES}


def test_each_table_belongs_to_one_feature() -> None:
    for name in every_module():
        importlib.import_module(name)
    owned = Counter(schema.MODELS)
    assert set(owned) == subclasses_of(Base)
    assert set(owned.values()) == {1}


def test_each_kind_of_entry_and_event_belongs_to_one_feature() -> None:
    for name in every_module():
        importlib.import_module(name)
    owned = Counter(kind for feature in FEATURES for kind in feature.entries + feature.events)
    assert set(owned) == subclasses_of(Typed) - {Entry}
    assert set(owned.values()) == {1}
    assert all(issubclass(kind, Entry) for feature in FEATURES for kind in feature.entries)
    assert not any(issubclass(kind, Entry) for feature in FEATURES for kind in feature.events)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_each_kind_of_entry_has_its_words(language: str) -> None:
    words = (ROOT / "web/ui/src/locales" / f"{language}.ts").read_text()
    assert [name for name in entry_kinds() if f"'history.{name}':" not in words] == []


def test_each_feature_has_a_name_of_its_own() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)
