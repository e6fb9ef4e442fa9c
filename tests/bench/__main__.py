"""All benchmarks, one after another: `make bench`."""

from tests.bench import fetch, signatures

signatures.main()
print()
fetch.main()
