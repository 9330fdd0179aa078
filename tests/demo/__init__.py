"""The main job, shown on real input: the exit node of the examples, from nothing to its desired state and back."""
