"""What is said: subtitles to lines, lines to words, and lines that are found."""
