"""Files to token store to examples to tf.data."""
