"""All benchmarks, one after another: `make bench`."""

from tests.bench import fetch, memory, search, signatures

for bench in (signatures, memory, fetch, search):
    bench.main()
    print()
