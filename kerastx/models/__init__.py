"""Layers assembled into `keras.Model`s with named inputs and outputs."""
