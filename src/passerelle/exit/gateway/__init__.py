"""The exit's gateway: it answers the sealed requests of reading pages for the publisher's site.

- `gateway` opens requests and judges them: keys, tickets, quotas, names.
- `link` is one WebSocket of a volunteer, with the requests that come on it; `post` takes those that
  come by HTTPS, each by itself.
- `site` asks the publisher's servers. By a `recording`, `sharing` lets readers share one answer;
  `once` lets a request be repeated that must not be done twice.
- `turns` lets readers share the way out with the exit's sessions.
- `keys` are those of the day, `refusals` what is answered instead of the site.
- `settings` and `counts` are for the operator.
"""
