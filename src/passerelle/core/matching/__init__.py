"""Which volunteer is asked to help which client.

`VolunteerPool` holds the volunteers that are there and picks one for a `Seeker`: `BestVolunteer`
compares the few that `sample` draws, by NAT, network, load, and `VolunteerQuality`, which is what
earlier links taught. `Acquaintances` bounds how many volunteers one network learns of in a day.
`proof` is the proof of work that an overloaded broker asks for.

Uses: `core.nat` for the chance that two NATs meet. `broker.volunteers` and `broker.placement` are
the shells around it.
"""
