"""The twin test: are a reader's links told apart from two browsers' by what is in the clear?

    python -m tests.lab.twins                  one round, compared with the known differences
    python -m tests.lab.twins --rounds 10 --renew   the table and the list of the known ones anew

Calls and bare data channels between two browsers are the twins; links of `passerelle client` are
compared with those of their kind. `scene` makes them all in one laboratory, `dissect` has `tshark`
and `ndpiReader` read the captures, `features` says what is in a link, `compare` finds what differs,
`known` holds what is known to differ, and `table` writes it down for people.
"""
