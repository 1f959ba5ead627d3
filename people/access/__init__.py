"""Which persons may see what is published."""
