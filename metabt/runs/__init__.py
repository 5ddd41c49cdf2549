"""Runs: one run, or many, from request to record.

1. `request` is one run that is asked for, with its identity; `plan_text` describes its plan before it runs.
2. `execution` walks a request and assembles its tables; `sweep` does so for many configurations as one forest, and
   `swept` is what it returns; `search/` asks for configurations batch by batch, each a forest.
3. `record` reads back what a stored run says of its inputs. From it `reproduce` computes the run again and compares
   every byte, `replay` walks it again for attribution and `baselines/`, `audit` computes a sample of cached blocks
   again, and `adoption` does so with those of earlier code, to keep them.
4. `explain` says why blocks were computed, against a `previous_run`; `comparison` sets two runs side by side, `beside/`
   any number, and `input_differences` finds the inputs in which they differ; `made_elsewhere` says beforehand why
   blocks are not found.
5. `stored_notes` says what must be known of a stored run, `sweep_notes` of many, `plan_notes` of one beforehand.
6. `trials/` says what makes two askings one try, for the ledger.
7. `trade_list` makes the trades from present holdings to a run's book, at `last_closes`.

7. `trials/` says which askings are one try, for the lakehouse's ledger.

Imports: `engines`, `config` and the rooms beneath them.
Offers: `request`, `execute`, `sweep`, `reproduce`, `explain`, `compare`, `Origin`.
"""
