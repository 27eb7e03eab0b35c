"""Rooms of the admin, for labels, subtitles and tokens; `gallery.admin` has the films'."""
