"""Compare, plan, apply, verify. Generic: names no kind of resource and no feature."""
