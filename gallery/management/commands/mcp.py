"""manage.py mcp: tools for language models, by the Model Context Protocol."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Serves the tools."""

    help = (
        "Serve tools for language models (Model Context Protocol): for one user on standard input "
        "and output, or with --http for the users of API tokens."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the transport and the user."""
        parser.add_argument("--user", help="whose boards and storyboards; not with --http")
        parser.add_argument("--http", type=int, metavar="PORT", help="serve HTTP at /mcp")
        parser.add_argument("--host", default="127.0.0.1", help="for --http (default: 127.0.0.1)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Serve until the client leaves, or Ctrl-C."""
        # The SDK takes a second to load.
        import uvicorn

        from gallery.mcp import server
        from gallery.search import warming

        warming.start()
        if options["http"] is None:
            server.build_local_server(_find_user(options["user"])).run("stdio")
            return
        if options["user"]:
            raise CommandError("With --http users are known by their API tokens, not by --user.")
        self.stderr.write(f"http://{options['host']}:{options['http']}/mcp")
        # Not uvicorn but PROXIES decides which X-Forwarded-For is believed.
        uvicorn.run(
            server.build_http_app(),
            host=options["host"],
            port=options["http"],
            log_level="info",
            proxy_headers=False,
        )


def _find_user(name: str | None) -> Any:
    if name is None:
        return AnonymousUser()
    user = get_user_model().objects.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active user {name}.")
    return user
