"""What an installation answers: `python -m tests.fetch QUESTIONS` prints the answers as JSON.

It needs no web server. QUESTIONS is a JSON list of questions: an address, and optionally an API
token and the cookies of a browser.
"""

import hashlib
import json
import sys
from typing import Any


def fetch(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The status and the content of each address: text, or the SHA-256 of bytes."""
    from django.test import Client

    answers = []
    for question in questions:
        client = Client(SERVER_NAME="localhost")
        client.cookies.load(question.get("cookies", {}))
        token = question.get("token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = client.get(question["address"], headers=headers)
        content = b"".join(response) if response.streaming else response.content
        is_text = response.headers["Content-Type"].startswith(("application/json", "text/"))
        text = content.decode() if is_text else hashlib.sha256(content).hexdigest()
        answers.append({"status": response.status_code, "content": text})
    return answers


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(fetch(json.loads(sys.argv[1]))))
