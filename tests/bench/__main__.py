"""All benchmarks, one after another: `make bench`."""

from tests.bench import audit, embedding, fetch, memory, search, signatures

for bench in (signatures, embedding, memory, fetch, search, audit):
    bench.main()
    print()
