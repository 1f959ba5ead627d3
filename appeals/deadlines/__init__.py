"""The deadlines of appeals and their notices."""
