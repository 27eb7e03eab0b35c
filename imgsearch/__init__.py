"""The Django project: settings, addresses, the Celery application, and the launcher."""

import os

# Before numpy is imported anywhere. Its matrix products are small here, and OpenBLAS' threads wait
# for the next one actively: they took half of the processor time of a search.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
