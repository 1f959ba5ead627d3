"""The kernel of a case: stages, rights, conflicts, history, change."""
