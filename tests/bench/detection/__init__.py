"""Detection measured: known copies of photographs, found or not, by us and by the peers. `make bench-detection`.

Nothing is trained, tuned or chosen on these pictures: this reports.
"""
