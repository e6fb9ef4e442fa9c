"""The benchmarks known by name: what they are, where they are, and whether a copy is whole."""

from curate.benchmarks.places import BenchmarkSettings, placed
from curate.benchmarks.presets import Benchmark, known, members
from curate.benchmarks.whole import VIEWS, check_count, check_views

__all__ = ["VIEWS", "Benchmark", "BenchmarkSettings", "check_count", "check_views", "known", "members", "placed"]
