"""Arrays and bytes in, arrays and bytes out: no paths, no tables, no settings files, no Ray."""
