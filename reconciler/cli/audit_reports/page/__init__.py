"""The page of an audit: one HTML file with everything in it, which asks nobody for anything."""
