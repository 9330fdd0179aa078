"""What every backend of the kernel promises, once: the same statements hold for the fake and for a real kernel."""
