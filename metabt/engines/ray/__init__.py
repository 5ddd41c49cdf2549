"""The cluster: the same walk on Ray, in several processes or on several machines. The only room that imports Ray.

1. `session` connects to a cluster, or starts one on this machine.
2. `run` walks a plan with actors; a `lane` is one actor's way through it, `supply` streams prices to them.
3. `actors` hold shards (metabt.build.shard) and call them: no arithmetic lives here.
4. `blocks` lays prices out for the object store, `streaming` reads them ahead of whoever takes them.
5. `panels` computes panels the same way: tasks follow recipes, partitions stay in the object store.
"""

from metabt.engines.ray.executor import Ray

__all__ = ["Ray"]
