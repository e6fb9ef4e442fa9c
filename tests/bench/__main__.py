"""All benchmarks, one after another: `make bench`."""

from tests.bench import fetch, memory, signatures

for bench in (signatures, memory, fetch):
    bench.main()
    print()
