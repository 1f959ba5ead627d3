"""What is wrong with a file that is no TOML, in plain words beside the parser's. Pure."""

import re

__all__ = ["in_words"]

_PLACE = re.compile(r"\(at line (\d+), column \d+\)")
_OTHER_QUOTES = re.compile("[«»“”„‘’]")
_TEXT = 'a text stands in straight quotes, as in key = "value"'
# How the parser's message begins, and what it means:
_MEANS = (
    ("Cannot overwrite a value", "this key is given twice; take one of them out"),
    ("Cannot declare", "this section is there twice; put its keys together under one of them"),
    ("Illegal character", "the closing quote is missing, or a sign that can't be seen stands here"),
    ("Unterminated string", "the closing quote is missing"),
    ('Expected "\'"', "the closing quote is missing"),
    ("Expected '\"'", "the closing quote is missing"),
    ("Unescaped", "in double quotes a \\ is written twice; in single quotes it may stand alone"),
    ("Unclosed array", "a list ends with ], and has a comma between its parts"),
    ("Expected ']'", "a section is written [name], one that may repeat [[name]]"),
    ("Expected '='", "a line is key = value, or a section in [ ], or begins with #"),
    ("Invalid value", f"{_TEXT}; only numbers, true and false go without"),
    ("Expected newline", f"{_TEXT}, and nothing follows it on its line"),
)


def in_words(message: str, text: str) -> str:
    """Return `message` of the parser of `text`, with its meaning where it is known."""
    found = _PLACE.search(message)
    line = text.split("\n")[int(found[1]) - 1] if found else ""
    value = line.partition("=")[2].lstrip()
    if message.startswith("Invalid value") and _OTHER_QUOTES.match(value):
        return f"{message}: {_TEXT}, not in « » or “ ”"
    if message.startswith("Invalid value") and value in ("True", "False"):
        return f"{message}: true and false are written small"
    means = next((words for begins, words in _MEANS if message.startswith(begins)), "")
    return f"{message}: {means}" if means else message
