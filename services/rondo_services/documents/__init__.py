"""Files whose text is to be translated: what of them is text, and the same file with other text. Knows no model."""
