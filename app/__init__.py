"""The web application: visitors' runs over HTTP, computed together by one engine.

Imports ``models``; nothing in ``models`` imports this.
"""

import os

# Read once, when torch loads its OpenMP. A spinning pool beside a web server made steps ten times
# slower on two cores; a passive one lets the event loop have the core.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# oneDNN keeps the code that it made for every layer and batch size, 1024 of them unless told otherwise:
# a quarter of a gigabyte in a server whose batches have all sizes. Fewer cost no time that shows.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
# PyTorch keeps another such list of matrix products in front of it, 1024 in every thread that computes.
os.environ.setdefault("LRU_CACHE_CAPACITY", "128")
