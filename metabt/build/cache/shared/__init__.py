"""Shared: a store of a team behind a lakehouse's own cache, of which nothing is used that is not signed.

1. `signature` makes and checks the signature of a pack, with a key that the environment has.
2. `signed_shelf` shows of a shelf the packs alone that bear a signature of that key, and signs what is put.
3. `trust` keeps what came here in the lakehouse's own cache: whose packs it was taken from, and who is not trusted any
   more.
4. `cache` asks the lakehouse's own cache first and the shared one then, and computes a share of what is there again.
5. `stated` is what configuration says of it.
"""
