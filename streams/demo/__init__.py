"""The demo: an invented estate, its events, and the proof that nothing leaked and nothing was lost."""
