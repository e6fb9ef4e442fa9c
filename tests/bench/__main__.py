"""All benchmarks, one after another: `make bench`."""

from tests.bench import embedding, fetch, memory, search, signatures

for bench in (signatures, embedding, memory, fetch, search):
    bench.main()
    print()
