"""The page of a user's API tokens: create, show once, revoke."""

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from gallery.accounts import tokens
from gallery.accounts.models import ApiToken
from gallery.core.errors import GalleryError


class TokenForm(forms.ModelForm):
    """The name of a new token."""

    class Meta:
        model = ApiToken
        fields = ("name",)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """List the user's tokens; POST creates one, and only this response shows its secret."""
    form = TokenForm(request.POST or None)
    secret, status = "", 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                _token, secret = tokens.create_token(
                    int(request.user.pk or 0), form.cleaned_data["name"]
                )
                form, status = TokenForm(), 201
            except GalleryError as error:
                form.add_error("name", str(error))
    context = {
        "tokens": ApiToken.objects.filter(user=request.user.pk),
        "form": form,
        "secret": secret,
    }
    return render(request, "gallery/accounts/tokens.html", context, status=status)


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Revoke one of the user's tokens with immediate effect."""
    get_object_or_404(ApiToken, pk=token_id, user=request.user.pk).delete()
    return redirect("tokens")
