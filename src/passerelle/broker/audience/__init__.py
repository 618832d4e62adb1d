"""Who helps: counted by the hour, and shown to publishers and to everybody.

`counting` counts the volunteers of each publisher that has a token, and those of the whole network;
`countfile` keeps the counts across restarts, and `gathering` adds up those of several brokers.
`figures` rounds them and `chart` draws them, for the pages that `pages` makes: `newsroom`, which
`access` guards, and `status`, which anybody may see.
"""
