"""The Django project: settings, URLs, the Celery application and the launcher."""

import os

VERSION = "1.0.0"

# Set before numpy is imported. Matrix products are small here, and the busy-waiting threads of
# OpenBLAS took half of the CPU time of a search.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
