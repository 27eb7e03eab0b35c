"""Print the precision in which this machine embeds frames: `python -m gallery.workers.precision`.

This runs in a separate process, because it loads OpenVINO or torch, and a worker must not fork
after that.
"""

import subprocess
import sys

from django.conf import settings

from gallery.core.errors import ModelError

TIMEOUT = 3600.0  # seconds; the model may have to be converted first


def find_precision() -> str:
    """Return the precision, converting the model first if needed. Raises ModelError."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gallery.workers.precision"],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"The model was not converted within {TIMEOUT:.0f} s.") from error
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ModelError(reason[-1])
    return done.stdout.split()[-1]


def main() -> None:
    """Print the precision; progress goes to stderr."""
    import django

    django.setup()
    from gallery.clip import conversion, encoder, weights

    with weights.use():
        model = weights.current()
    target = conversion.prepare(
        model, encoder.candidate_targets(), lambda text: print(text, file=sys.stderr)
    )
    print(target.precision if target else "fp32")


if __name__ == "__main__":
    main()
