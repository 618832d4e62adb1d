"""The parts that every server process shares: HTTP, metrics, worker processes, the bus.

`WebServer` is aiohttp with limits for a server that anybody may talk to. `Metrics` has the numbers
for Prometheus. `Workers` starts and restarts processes. `Bus` connects brokers and exits, in one
process or over NATS. `FaultLog` keeps strangers from filling the log.

Uses: `io.tasks` and `io.listening`.
"""
