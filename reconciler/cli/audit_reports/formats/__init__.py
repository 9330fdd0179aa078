"""One module a format of an audit's report."""
