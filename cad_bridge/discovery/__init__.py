"""Where a place is, which ambulance service answers there, and which address its messages go to.

Pure and file-based: boundary sets are files, catalogue rows are passed in, nothing here calls out.
See ``docs/discovery.md``.
"""
