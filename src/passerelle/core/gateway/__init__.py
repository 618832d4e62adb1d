"""What an exit's gateway decides: it answers a reading page's sealed requests.

Types: `LinkRequests`, `PathMeter`, `AnswerWriter`, `AnswerCache`, `SeenRequests`
Uses: `wire`

- `requests` is one link: which requests are under way on it, and how much may be sent for each.
- `pathmeter` measures what the way to the reader carries.
- `answer` cuts an answer into chunks of few sizes and seals them.
- `freshness` says which answers all readers may share, and `cache` keeps those.
- `seen` tells whether a request came before.
"""
