"""The only code that touches the kernel, babeld and files."""
