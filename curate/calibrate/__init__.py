"""`curate calibrate`: choose a benchmark's thresholds on known copies and known strangers, and write down why.

Known copies: edits of the benchmark's own images. Known strangers: these copies beside the other images, and samples of
the corpus. Both go through the search of `contamination`; here each pair that it proposes is given both its scores, so
that recall and false pairs are known at every threshold.
"""

FALSE_PAIRS, COPIES = 1e-6, 100
"""Unless asked otherwise: the share of unrelated pairs that may pass, and the images of which copies are made.

Of 20 images the copies hold too few pairs against each other: lookalikes that are one in 200,000 go unseen.
"""
