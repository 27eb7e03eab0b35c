#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed in this Python. Type `make run` once, then use "
            "`.venv/bin/python manage.py ...`."
        ) from error
    from gallery.clip import weights

    try:
        # `prepare_model` and others work without a database: it is asked when a model is needed.
        with weights.use():
            execute_from_command_line(sys.argv)
    except Exception as error:
        from gallery.core.disk import is_disk_full
        from gallery.core.errors import DiskFull

        if not is_disk_full(error):
            raise
        raise SystemExit(str(DiskFull())) from error


if __name__ == "__main__":
    main()
