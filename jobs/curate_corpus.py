"""A whole run as a Ray job: `ray job submit --working-dir . -- python jobs/curate_corpus.py RUN.toml`."""

import sys

from curate.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["run", "--on", "ray"]
    main()
