"""The page with the choices for one film of a board, and previews of its crops."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from gallery.boards import film_options
from gallery.boards.film_options import SAME_AS_FILMS, SHAPES, FilmChoices, SubtitleMode
from gallery.boards.models import Board, BoardScene
from gallery.boards.timelines import STANDARD_RATES, Edit, TimecodeRate
from gallery.films import thumbnails
from gallery.transcripts import languages

MAX_PREVIEWS = 6


class FilmForm(forms.Form):
    """The choices for a film of these scenes; without any, it has the defaults."""

    size = forms.ChoiceField(initial=FilmChoices().size)
    shape = forms.ChoiceField(initial=FilmChoices().shape)
    fit = forms.ChoiceField(initial="bars")
    rate = forms.ChoiceField(required=False)
    subtitles = forms.ChoiceField(initial=SubtitleMode.NONE)
    language = forms.ChoiceField(required=False)
    timecode = forms.BooleanField(required=False)
    source = forms.BooleanField(required=False)

    def __init__(self, edits: Sequence[Edit], data: Any = None) -> None:
        super().__init__(data)
        tags = film_options.subtitle_languages({edit.film.pk for edit in edits})
        own = languages.base(get_language() or "en")
        tags.sort(key=lambda tag: languages.base(tag) != own)
        usual = _name(film_options.common_rate(edits))
        self._set_choices(
            size=[
                *((side, f"{side}p") for side in film_options.SHORT_SIDES),
                (SAME_AS_FILMS, _("Same as the films")),
            ],
            shape=[*((shape, shape) for shape in SHAPES), (SAME_AS_FILMS, _("Same as the films"))],
            fit=[("bars", _("Black bars")), ("crop", _("Crop to the subject"))],
            rate=[
                (
                    "",
                    _("Most common: %(rate)s fps") % {"rate": usual},
                ),
                *(
                    (str(rate), _("%(rate)s fps") % {"rate": _name(rate)})
                    for rate in STANDARD_RATES
                ),
            ],
            subtitles=[
                (SubtitleMode.NONE, _("None")),
                (SubtitleMode.TRACK, _("As a track")),
                (SubtitleMode.BURNT_IN, _("In the picture")),
            ],
            language=[(tag, languages.name(tag)) for tag in tags],
        )

    def _set_choices(self, **choices: list[tuple[str, str]]) -> None:
        for name, listed in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = listed

    def clean(self) -> dict[str, Any]:
        """Choose the first language when none is given."""
        given: dict[str, Any] = super().clean() or {}
        listed = self.fields["language"].choices  # type: ignore[attr-defined]
        if not given.get("language") and listed:
            given["language"] = listed[0][0]
        return given

    def get_choices(self) -> FilmChoices:
        """Return the choices of a valid form."""
        return film_options.read_choices(self.cleaned_data)


def _name(rate: Fraction) -> str:
    return str(TimecodeRate(rate))


@dataclass(frozen=True, slots=True)
class CropPreview:
    """A scene, and where its thumbnail is cropped: CSS positions by names of shapes."""

    scene: BoardScene
    positions: dict[str, str]


def crop_previews(board: Board) -> list[CropPreview]:
    """Return previews of the first scenes of a board."""
    scenes = board.scenes.select_related("film")[:MAX_PREVIEWS]
    return [CropPreview(scene, _crop_positions(scene)) for scene in scenes]


def _crop_positions(scene: BoardScene) -> dict[str, str]:
    shapes = {"wide": SHAPES["16:9"], "tall": SHAPES["9:16"], "square": SHAPES["1:1"]}
    return {
        name: thumbnails.crop_position(scene.film, scene.second, float(shape)) or "50% 50%"
        for name, shape in shapes.items()
    }
