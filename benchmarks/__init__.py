"""The benchmarks for docs/measurements.md: `make bench`, or `python -m benchmarks NAME`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
