"""Trials: what makes two askings one try, and what is recorded of it.

1. `trial_settings` is the resolved tree without names, every default written out.
2. `written_rows` is what somebody wrote into tables beside prices: signals, memberships, schedules, costs.
3. `trial_key` joins both with the data's identity and the period; `tried` is a request and what became of it.
4. `sweep_evidence` says what a sweep is worth beside everything that was tried.

Imports: `lakehouse`, `build` and the rooms beneath them.
Offers: `TrialKeys`, `Tried`.
"""
