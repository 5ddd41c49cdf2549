"""Bucket: the shelf that is a prefix of an object store of S3's protocol, for machines that share no disk.

1. Addresses are those of metabt.values.bucket_address.
2. `connection` sends requests by a `client`, again where an answer is lost or late, for a time that ends (the only
   modules that import botocore).
3. `shelf` is the twin of the port; `cache` remembers blocks on it.
4. `probe` refuses a server that lets two writers have one name.

Credentials are found by AWS' own chain (environment, files, the pod's or the machine's identity) and kept by botocore
alone: nothing here stores, pickles, prints or logs them.
"""
