"""The customer of a case."""
