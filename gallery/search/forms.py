"""The form that uploads a picture to search with."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.core.errors import QueryError
from gallery.search import pictures


class PictureForm(forms.Form):
    """An uploaded picture to search with."""

    picture = forms.FileField(
        required=True,
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Choose a picture first.")},
    )

    def clean_picture(self) -> Any:
        """Decode the picture."""
        file = self.cleaned_data["picture"]
        if file.size == 0:
            raise ValidationError(_("The picture is empty (0 bytes)."))
        if file.size > settings.MAX_PICTURE_BYTES:
            raise ValidationError(
                _("The picture is too large. The limit is %(most)d MB.")
                % {"most": settings.MAX_PICTURE_BYTES // 1_000_000}
            )
        try:
            return pictures.open_picture(file)
        except QueryError as error:
            raise ValidationError(str(error)) from error
