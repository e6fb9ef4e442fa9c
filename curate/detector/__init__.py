"""The copy-detection ViT that comes with `curate`: the network, its weights, and how it runs with and without torch.

Its training is `curate.detector_training`, high above: that draws with `curate.demo`, this must lie below `curate.ops`.
"""
