"""The languages that a vocabulary may be for: ISO 639-1 codes, and what they are called. No library is needed."""

LANGUAGE_NAMES = {"en": "English", "de": "German", "ko": "Korean", "fr": "French"}
LANGUAGES = tuple(LANGUAGE_NAMES)
