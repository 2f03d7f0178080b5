"""Content-addressed objects: a blob is named by the SHA-256 of its bytes, written once and never changed.

A blob is either a whole file or a *recipe*: an account of which chunks of which xorbs, one after the other, are its
bytes. Who reads a blob need not know which. A xorb is a run of compressed chunks with an index of our own behind it.

Everything is staged into a temporary file, synced, named, and the folder synced: what has its final name is whole and
on disk. The store is a folder or a bucket of an S3-compatible service (`open_blob_store`). (obstore's local backend
renames but never syncs: for buckets only.)
"""

from tholos.kit.blobs.contract import (
    Blob,
    BlobMismatch,
    BlobNotFound,
    BlobStore,
    BlobWriter,
    DamagedBlob,
    DiskFull,
    ObjectKind,
    StoredObject,
    StoreUnreachable,
    XorbNotFound,
    XorbStore,
    XorbWriter,
)
from tholos.kit.blobs.local import LocalBlobStore
from tholos.kit.blobs.opening import open_blob_store
from tholos.kit.blobs.parts import Part, StagedParts
from tholos.kit.blobs.recipes import Recipe, Term
from tholos.kit.blobs.xorbs import XorbIndex

__all__ = [
    "Blob",
    "BlobMismatch",
    "BlobNotFound",
    "BlobStore",
    "BlobWriter",
    "DamagedBlob",
    "DiskFull",
    "LocalBlobStore",
    "ObjectKind",
    "Part",
    "Recipe",
    "StagedParts",
    "StoreUnreachable",
    "StoredObject",
    "Term",
    "XorbIndex",
    "XorbNotFound",
    "XorbStore",
    "XorbWriter",
    "open_blob_store",
]
