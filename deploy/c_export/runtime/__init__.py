"""The hand-written kernels, and templates of the files that go with them."""
