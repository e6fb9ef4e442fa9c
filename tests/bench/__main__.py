"""All benchmarks, one after another: `make bench`."""

from tests.bench import audit, duplicates, embedding, exchange, fetch, memory, search, signatures

for bench in (signatures, embedding, memory, fetch, search, duplicates, exchange, audit):
    bench.main()
    print()
