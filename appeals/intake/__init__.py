"""Key 3 opens an appeal; what follows in the call is written to it."""
