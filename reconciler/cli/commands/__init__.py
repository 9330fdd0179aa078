"""The commands: each module has the name of its command and a ``command``. Imports of substance wait until it runs."""
