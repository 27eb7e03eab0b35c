"""The limit on unknown tokens of the server over HTTP, which it shares with the API."""

import anyio.to_thread
from django.http import JsonResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gallery.accounts import tokens
from gallery.core import api_errors, rate_limits
from gallery.core.errors import TooManyRequests

UNAUTHORIZED = 401


class LimitUnknownTokens:
    """ASGI middleware: answers 429 to an address that has sent too many unknown tokens."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and replace the refusal of its token if there were too many."""
        if scope["type"] != "http" or "authorization" not in (headers := Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        address, _port = scope.get("client") or ("", 0)
        address = rate_limits.find_address(address, headers.get("x-forwarded-for", ""))
        is_replaced = False

        async def send_or_replace(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start" and message["status"] == UNAUTHORIZED:
                refusal = await anyio.to_thread.run_sync(_count, address)
                if refusal is not None:
                    is_replaced = True
                    await _send(refusal, send)
            if not is_replaced:
                await send(message)

        await self.app(scope, receive, send_or_replace)


def _count(address: str) -> JsonResponse | None:
    """Count an unknown token. Return the refusal if there were too many from the address."""
    try:
        tokens.count_unknown(address)
    except TooManyRequests as error:
        return api_errors.response_for_error(error)
    return None


async def _send(response: JsonResponse, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
