"""Template tags that warn staff about the disk."""

from django import template
from django.utils.translation import gettext as _

from gallery.core import disk

register = template.Library()


@register.simple_tag
def disk_warning() -> str:
    """Return a warning when the disk is full or nearly full, else ""."""
    if not disk.has_space():
        return _(
            "The disk is full. Uploads and imports are paused until space is freed. Search "
            "still works."
        )
    if disk.is_nearly_full():
        free = {"free": f"{disk.free_bytes() / 1e9:.1f}"}
        return _("The disk is almost full: %(free)s GB left. Free some space soon.") % free
    return ""
