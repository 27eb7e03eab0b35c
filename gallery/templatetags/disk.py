"""What staff are told of the disk."""

from django import template
from django.utils.translation import gettext as _

from gallery.media import disk

register = template.Library()


@register.simple_tag
def disk_warning() -> str:
    """A sentence when the disk is nearly full, or too full to accept anything; else nothing."""
    if not disk.has_space():
        return _(
            "The disk is full: nothing can be uploaded or imported until some space is freed. "
            "Searching goes on."
        )
    if disk.is_nearly_full():
        free = {"free": f"{disk.free_bytes() / 1e9:.1f}"}
        return _("The disk is nearly full: %(free)s GB are free. Free some space soon.") % free
    return ""
