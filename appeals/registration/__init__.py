"""The verbs of the people who work on a case."""
