"""A small web on loopback with planted copies, duplicates and faults: what `curate demo` sends through the product."""
