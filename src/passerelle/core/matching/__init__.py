"""The choice of the volunteer that is asked to help a client.

`VolunteerPool` holds the volunteers that are there and picks one for a client. `peers` is what it
knows of both. `AvailableVolunteers` draws a few of those with a free slot, and `BestVolunteer`
compares them by NAT, network, load and `VolunteerQuality`, which is what earlier links taught.
Volunteers that help one family only are kept apart from the others. `DisclosureTable` bounds how
many volunteers one client network learns of in a day. `proof` is the proof of work that an
overloaded broker asks for. `demand` puts into a word how many readers wait.

Uses: `core.nat` for the chance that two NATs meet, and `core.origin`. `broker.volunteers` is the
shell around it.
"""
