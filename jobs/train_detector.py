"""Train the detector that `curate` ships, or export it: `python jobs/train_detector.py --help`.

Cost of the shipped one: see curate/detector/CARD.md. Expected: the share of copies nearest to their own original rises.
"""

from curate.detector_training.command import main

if __name__ == "__main__":
    main()
