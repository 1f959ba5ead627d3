"""Texts as they are searched: any case, words, telephone numbers, and what a query looks for."""

import pytest

from appeals.case.search import needles_of
from store.search import folded, needles


def test_each_word_of_a_folded_text_has_two_blanks_before_it_and_each_field_a_line() -> None:
    assert folded("Пётр  ИВАНОВ", None, "+7916", "") == "  петр  иванов\n  +7916"
    assert folded(None, "") == ""


def test_text_that_no_database_can_hold_is_still_searched_for() -> None:
    assert folded("a\x00b\udcffc") == "  a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("q", "wanted"),
    [
        ("", ()),
        (" \t", ()),
        ("Пётр", ("петр",)),
        ("пётр  Иванов ", ("петр  иванов",)),
        ("и", ("  и",)),
        ("Ив", (" ив",)),
        ("%_", (" %_",)),
        ("7916", ("7916",)),
        ("+7916", ("7916",)),
        ("903 765", ("903  765", "903765")),
        ("8 903 765-43-21", ("8  903  765-43-21", "9037654321")),
        ("79037654321", ("9037654321",)),
        ("дом 5", ("дом  5",)),
    ],
)
def test_what_a_query_looks_for(q: str, wanted: tuple[str, ...]) -> None:
    assert needles_of(q) == wanted


def test_a_part_that_another_contains_adds_nothing() -> None:
    assert needles(["иван", "иванов", "петр"]) == ("иван", "петр")
