"""The login forms of the site and of the admin."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm

from gallery.accounts.login_limits import Attempt
from gallery.core.rate_limits import client_address


class LoginForm(AuthenticationForm):
    """Name and password, with a limit on failed attempts."""

    def clean(self) -> dict[str, Any]:
        """Check the password. Raises TooManyLogins, which the middleware shows."""
        name, password = (self.cleaned_data.get(field) for field in ("username", "password"))
        if not name or not password or self.request is None:
            return super().clean()
        attempt = Attempt(name, client_address(self.request))
        attempt.begin()
        cleaned = super().clean()
        attempt.succeed()
        return cleaned


class AdminLoginForm(LoginForm, AdminAuthenticationForm):
    """The login form of the admin, for staff only."""
