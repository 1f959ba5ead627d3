"""Lists and single reads of appeals and calls."""
