"""Post-training quantization beyond the converter's own: ranges, precisions, mixed files."""
