"""The sanity pretraining as a Ray job: `ray job submit --working-dir . -- python jobs/pretrain.py RUN`."""

import sys

from curate.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["pretrain"]
    main()
