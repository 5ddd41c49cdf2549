"""Folder: what lies in the folder of a lakehouse, and who is at work in it; without a connection of its own.

`lost_catalogue` tells files of a lakehouse that has no catalogue; `presence` who has it attached,
`orphans` what a killed writer left in it, `in_doubt` what a commit wrote whose answer was lost; `staging` what is
written for a commit that is yet to come; `file_system` tells one that machines share over a network.
"""
