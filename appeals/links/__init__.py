"""Which appeals a call belongs to."""
