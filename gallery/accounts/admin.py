"""API tokens in the admin: staff see whose there are, revoke them, and make them for others."""

from typing import Any

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _

from gallery.accounts import tokens
from gallery.accounts.models import ApiToken


class TokenForm(ModelForm):
    """Whose it is, and what it is for."""

    class Meta:
        model = ApiToken
        fields = ("user", "name")

    def clean(self) -> dict[str, Any]:
        """Nobody has too many."""
        data = super().clean() or self.cleaned_data
        user = data.get("user")
        if user and tokens.has_too_many(user.pk):
            self.add_error("user", tokens.too_many())
        return data


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens are made and revoked; what they are good for is their user's matter."""

    list_display = ("name", "user", "created", "last_used")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    form = TokenForm

    def has_change_permission(self, _request: HttpRequest, _obj: ApiToken | None = None) -> bool:
        """There is nothing to change: another token is made instead."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiToken,
        form: ModelForm,  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        """Make it, and show its secret this once."""
        made, secret = tokens.create_token(obj.user.pk, obj.name)
        obj.__dict__.update(made.__dict__)
        said = _("Token, shown only once: {secret}")
        messages.warning(request, format_html(said, secret=format_html("<code>{}</code>", secret)))
