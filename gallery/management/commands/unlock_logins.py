"""manage.py unlock_logins: reset the limits on failed logins."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from gallery.accounts import login_limits


class Command(BaseCommand):
    """Resets the counters of all accounts and addresses."""

    help = "Reset all failed login attempts, so that no user has to wait."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Reset the counters."""
        try:
            login_limits.reset()
        except RedisError as error:
            raise CommandError(f"Redis cannot be reached: {error}") from error
        self.stdout.write("All login waits have been cleared.")
