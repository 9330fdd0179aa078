"""What an operator says a node is to be, and what that means in kernel and babeld objects.

Pure: nothing here opens a socket, reads a clock or knows how a change is made.
"""
