"""The engine room of one PBX: from its events to stored calls."""
