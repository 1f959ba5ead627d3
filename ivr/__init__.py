"""The telephone menu: what config.toml says about it, rendered to the files of an Asterisk."""
