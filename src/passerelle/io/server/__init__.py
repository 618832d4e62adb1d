"""What every server process has: HTTP, numbers, processes, a bus.

`WebServer` is aiohttp behind limits that suit a server anybody may talk to, `Metrics` the numbers
for Prometheus, `Workers` starts and restarts processes, `Bus` connects brokers and exits in one
process or over NATS.

Uses: `io.tasks`.
"""
