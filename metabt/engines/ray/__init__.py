"""Ray: the same walk in several processes or on several machines. The only room that imports Ray.

1. `connection` connects to a cluster, or starts an instance on this machine that ends with the process.
2. `driver` walks a plan with `actors`: each holds shards (metabt.build.shard), and no arithmetic lives here.
   `actor_progress` is the way of some sleeves through the partitions, `actor_pool` says which actor walks them, within
   the cluster's `capacity` and this job's `fair_share`; `crashing_sleeve` finds the sleeve that ends its process.
   `workforce` is all actors of a run; `group_sweep` has them walk and assemble groups of a sweep's trees.
3. Prices go to actors: `price_stream` says which partitions a plan misses, `ray_data_stream` reads them ahead through
   Ray Data, `price_blocks` lays them out for the object store, `price_partitions` are those that an actor has.
4. Blocks go between actors: `block_buffers` packs what a shard made of a partition as one buffer; `stored_blocks` reads
   blocks when they are first used. `head_notes` keeps short texts beyond the end of their writer.
5. `panels` computes panels the same way. `executor` is the port behind `engine=ray`.
6. `monitoring/` tells whoever operates the cluster how runs do.
"""

from metabt.engines.ray.executor import Ray

__all__ = ["Ray"]
