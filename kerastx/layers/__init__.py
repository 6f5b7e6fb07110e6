"""Keras layers of the Transformer stack, one layer a file, written with `keras.ops` only."""
