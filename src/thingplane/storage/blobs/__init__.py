"""Blobs: contents of files of any size, written once under a key and read in parts. Their names are kept elsewhere."""

from thingplane.storage.blobs.interface import BlobNotFoundError, BlobStore, BlobWriter
from thingplane.storage.blobs.local import LocalBlobStore

__all__ = ["BlobNotFoundError", "BlobStore", "BlobWriter", "LocalBlobStore"]
