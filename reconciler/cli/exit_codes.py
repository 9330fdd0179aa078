"""The exit codes, which are an interface: scripts depend on them."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
DIFFERENT: Final = 2
INVALID: Final = 3
REFUSED: Final = 4
ROLLED_BACK: Final = 5
USAGE: Final = 64
INTERRUPTED: Final = 130
