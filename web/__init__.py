"""The REST interface, the built screen, and the one port for both and for the push socket."""
