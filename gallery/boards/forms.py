"""Forms to collect scenes and to change boards."""

from django import forms
from django.utils.translation import gettext_lazy as _

from gallery.boards.models import Board, BoardScene
from gallery.boards.service import Scene
from gallery.films.models import MAX_FILM_SECONDS


class SceneForm(forms.Form):
    """A scene as sent by `_collect.html`."""

    film = forms.IntegerField(min_value=1, max_value=10**9)
    start = forms.FloatField(min_value=0, max_value=MAX_FILM_SECONDS)
    end = forms.FloatField(min_value=0, max_value=MAX_FILM_SECONDS)
    second = forms.IntegerField(min_value=0, max_value=MAX_FILM_SECONDS)

    def scene(self) -> Scene:
        """Return the scene of a valid form."""
        return Scene(**{name: self.cleaned_data[name] for name in self.fields})


class NameForm(forms.ModelForm):
    """A board's name."""

    class Meta:
        model = Board
        fields = ["name"]
        labels = {"name": _("Board name")}


class NoteForm(forms.ModelForm):
    """A scene's note."""

    class Meta:
        model = BoardScene
        fields = ["note"]


class PlaceForm(forms.Form):
    """Where to move a scene: by a number of places, to a position, or before another scene (id)."""

    by = forms.IntegerField(required=False, min_value=-1, max_value=1)
    number = forms.IntegerField(required=False, min_value=1, max_value=MAX_FILM_SECONDS)
    before = forms.IntegerField(required=False, min_value=0)
