"""Take the test images of benchmarks out of web image-text corpora, and prove it."""

__version__ = "0.1.0"
