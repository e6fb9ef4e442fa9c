"""The copy-detection ViT that comes with `curate`: the network, its training, its weights and how they are run."""
