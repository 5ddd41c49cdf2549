"""Folder: what lies in the folder of a lakehouse, or below its address; without a connection of its own.

`lost_catalogue` tells files of a lakehouse that has no catalogue; `orphans` what a killed writer left in it, `in_doubt`
what a commit wrote whose answer was lost; `staging` what is written for a commit that is yet to come; `file_system`
tells a folder that machines share over a network.
"""
