"""A fleet: the documents of many nodes, made from what they have in common.

A repository has ``fleet.yaml``, what the whole community shares; ``groups/NAME.yaml`` and ``roles/NAME.yaml``, what
some nodes have in common; and ``nodes/NAME.yaml``, what is a node's own. A node's complete document is these, merged
field by field in this order: the ``defaults`` of the fleet, the node's groups as it names them, its roles as it names
them, the links of the fleet that it is an end of, and its own file.

Pure as all of `intent`: files are read, nothing is written, started or waited for.
"""

FLEET_FILE = "fleet.yaml"
"""The file by which a folder is known for a fleet's repository."""
