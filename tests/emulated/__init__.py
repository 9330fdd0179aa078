"""A whole kernel for what this machine's kernel lacks: Debian's own, in an emulated machine.

``python -m tests.emulated -- COMMAND…`` boots the newest kernel under /boot with the host's files, runs the
command there in a copy of this checkout, shows its output as it comes and ends with its exit status. The
host's files are read-only there, so nothing the command does outlives it, but for what ``--fetch`` names.
"""
