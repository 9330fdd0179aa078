"""Makes a node what its intent says, and keeps it so."""
