"""All benchmarks, one after another: `make bench`."""

from tests.bench import audit, duplicates, embedding, fetch, memory, search, signatures

for bench in (signatures, embedding, memory, fetch, search, duplicates, audit):
    bench.main()
    print()
