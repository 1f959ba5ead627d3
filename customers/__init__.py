"""Customers by their telephone numbers."""
