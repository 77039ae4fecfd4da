"""GA4GH TES 1.1 (docs/protocols/tes.md)."""
