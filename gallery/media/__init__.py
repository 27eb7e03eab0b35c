"""Films as files: probing, decoding and cutting with FFmpeg, and the media store. No database."""
