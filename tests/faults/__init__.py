"""Faults: everything killed, every line broken, under calls that press 3; then one and the same verdict.

A test here reads: callers call (`site.calling()`), something terrible happens, `site.verdict()` compares
what callers did with what the PBX kept and with what people see. docs/faults.md tells the results.
"""
