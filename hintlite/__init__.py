"""A Keras teacher in, a full-INT8 TFLite student out, with the measurements that prove it."""
