"""Small honest stand-ins for the other end of a line, where a real one can't be made to misbehave."""
