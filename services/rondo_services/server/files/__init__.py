"""Files that are translated behind the scenes, and kept for a while. Knows no protocol."""
