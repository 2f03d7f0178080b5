"""Which store the settings name."""

from __future__ import annotations

from tholos.kit.blobs.contract import BlobStore
from tholos.kit.blobs.local import LocalBlobStore
from tholos.kit.settings import Settings


def open_blob_store(settings: Settings) -> BlobStore:
    """The store of blobs that these settings name. Costs nothing: a bucket is first asked when it is first used."""
    if settings.blob_store == "file":
        return LocalBlobStore(settings.blobs_dir, cache_bytes=settings.blob_cache_bytes)
    from tholos.kit.blobs.bucket import Bucket
    from tholos.kit.blobs.remote import BucketBlobStore

    return BucketBlobStore(
        settings.blobs_dir,
        Bucket(settings),
        cache_bytes=settings.blob_cache_bytes,
        redirect=settings.s3_redirect_downloads,
    )
