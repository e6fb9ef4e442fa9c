"""How the detector was made and is made again: its pictures, their edits, the loop, the files that `curate` ships."""
