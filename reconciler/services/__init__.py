"""What runs around the loop in one process: the driver that waits, the node file, the checks, the control socket."""
