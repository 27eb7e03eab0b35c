"""API tokens in the admin: staff list, create and revoke them for all users."""

from typing import Any

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _

from gallery.accounts import tokens
from gallery.accounts.models import ApiToken


class TokenForm(ModelForm):
    """The user and the name of a new token."""

    class Meta:
        model = ApiToken
        fields = ("user", "name")

    def clean(self) -> dict[str, Any]:
        """Refuse a user who has the maximum number of tokens."""
        data = super().clean() or self.cleaned_data
        user = data.get("user")
        if user and tokens.has_too_many(user.pk):
            self.add_error("user", tokens.too_many_message())
        return data


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens can be created and revoked, not changed."""

    list_display = ("name", "user", "created", "last_used")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    form = TokenForm

    def has_change_permission(self, _request: HttpRequest, _obj: ApiToken | None = None) -> bool:
        """Return False: tokens cannot be changed."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiToken,
        form: ModelForm,  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        """Create the token and show its secret once."""
        token, secret = tokens.create_token(obj.user.pk, obj.name)
        obj.__dict__.update(token.__dict__)
        message = _("Token, shown only once: {secret}")
        messages.warning(
            request, format_html(message, secret=format_html("<code>{}</code>", secret))
        )
