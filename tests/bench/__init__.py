"""Stellwerk measured side by side with its peers: in the same run, on the same kernel, in the same namespace.

``make bench`` or ``python -m tests.bench`` measures every case and writes docs/benchmarks.md and .json.
`tests.bench.cases` has a module for each case, `tests.bench.targets` what is promised. What is compared is a median
of several runs, Stellwerk's and the peer's in turns, so that a machine that slows down slows down both.
"""
