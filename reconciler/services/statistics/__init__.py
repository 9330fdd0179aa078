"""The statistics of a node: taken from memory, and given to whoever asks in one of several ways."""
