"""The short way of SQL, for the press path only."""
