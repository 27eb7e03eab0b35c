"""The site as seen by a browser and an API client."""

import json
import re
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

TIMEOUT = 120.0  # seconds
FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
API_TOKEN = re.compile(r'id="secret"[^>]*value="([^"]+)"')


class Site:
    """A visitor with cookies, and with an API token once it has one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def get(self, address: str) -> bytes:
        """Return the response body of an address. Raises HTTPError."""
        return self._open(urllib.request.Request(self._absolute(address)))

    def get_json(self, address: str) -> Any:
        """Return the API's response. Raises HTTPError."""
        return json.loads(self.get(address))

    def post_json(self, address: str, value: Any) -> Any:
        """Post a value and return the API's response. Raises HTTPError."""
        request = urllib.request.Request(self._absolute(address), json.dumps(value).encode())
        request.add_header("Content-Type", "application/json")
        return json.loads(self._open(request))

    def send_form(self, address: str, fields: dict[str, str]) -> str:
        """Submit the form of a page and return the next page. Raises HTTPError."""
        match = FORM_TOKEN.search(self.get(address).decode())
        assert match, f"{address} has no form."
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": match[1], **fields}).encode()
        request = urllib.request.Request(self._absolute(address), data)
        request.add_header("Referer", self._absolute(address))
        return self._open(request).decode()

    def search(self, words: str, where: str) -> list[dict[str, Any]]:
        """Return the hits of a search; `where` is "seen" or "said"."""
        query = urllib.parse.urlencode({"q": words, "in": where})
        return list(self.get_json(f"/api/v1/search?{query}")["results"])

    def _absolute(self, address: str) -> str:
        return urllib.parse.urljoin(self.url, address)

    def _open(self, request: urllib.request.Request) -> bytes:
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        with self._opener.open(request, timeout=TIMEOUT) as response:
            return bytes(response.read())
