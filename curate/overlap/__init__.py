"""`curate overlap`: does it matter that benchmark images are in the corpus? Accuracy with and without them.

The comparison of Radford et al. 2021 (CLIP), section 5: All, Overlap and Clean; a one-tailed binomial test.
"""
