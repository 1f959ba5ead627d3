"""Presses read afresh from the PBX, compared with the appeals."""
