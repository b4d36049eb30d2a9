"""Predictions -> numbers, tables and pictures."""
