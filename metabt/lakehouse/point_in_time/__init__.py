"""Point-in-time tables in the lakehouse: what is dated beside the prices of a dataset, stored and read back.

1. `incoming` is what a source says of a table, row by row; `rules` refuses what no row may say.
2. `merging` puts incoming rows with stored ones: restated rows replace, what comes late is known from its ingestion on.
   Of signals a date's rows are a whole row: `whole_rows` says which weights are 0 where a stored one is said anew.
3. `lives` says which symbol an asset has when; `coherence` refuses rows that contradict each other, or prices.
4. `storing` does so in a transaction; `seals` are recorded with it, and `loading` compares what it reads with them.
5. `notes` says what is odd about tables beside prices, `split_jumps` whether raw closes moved as splits say, `reach`
   whether tables begin and end with the prices; `table_changes` which rows differ between two snapshots.

What the tables mean for returns, universes, cash and costs is in metabt.data.point_in_time.
"""
