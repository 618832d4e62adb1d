"""What an exit's gateway decides: it answers a reading page's sealed requests.

Types: `LinkRequests`, `AnswerWriter`
Uses: `wire`

- `requests` is one link: which requests are under way on it, and how much may be sent for each.
- `answer` cuts an answer into chunks of few sizes and seals them.
"""
