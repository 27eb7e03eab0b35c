"""Films as files: what FFmpeg says of them, decodes and cuts; where they lie. No database."""
