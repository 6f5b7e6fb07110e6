"""Scores of predictions, and what lies behind them."""
