"""What each layer of a network becomes, and what cannot be quantized."""

from __future__ import annotations
