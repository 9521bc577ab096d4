"""Readers by kind: from an untrusted file or folder to labelled samples."""

from core.datasets.readers.source import is_pictures, open_source, read_images, read_samples

__all__ = ["is_pictures", "open_source", "read_images", "read_samples"]
