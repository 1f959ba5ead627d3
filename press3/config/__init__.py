"""The configuration: its sections, its loading, what is wrong or risky in it."""
