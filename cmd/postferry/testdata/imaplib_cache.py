"""Keeps the messages of INBOX in a file by their UIDs, as scripts with imaplib do.

Prints how many of those that it has fetched it had before, and how many it has.
"""

import imaplib
import json
import ssl
import sys

port, login, password, authority, cache = sys.argv[1:]

try:
    with open(cache) as f:
        had = json.load(f)
except FileNotFoundError:
    had = {"validity": "", "messages": {}}

context = ssl.create_default_context(cafile=authority)
with imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=context, timeout=60) as server:
    server.authenticate("PLAIN", lambda _: f"\0{login}\0{password}".encode())
    server.select("INBOX", readonly=True)
    validity = server.response("UIDVALIDITY")[1][0].decode()
    known = had["messages"] if had["validity"] == validity else {}
    uids = server.uid("SEARCH", "ALL")[1][0].decode().split()
    now, again, texts = {}, 0, set(had["messages"].values())
    for uid in uids:
        if uid in known:
            now[uid] = known[uid]
            continue
        now[uid] = server.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1].decode("latin-1")
        again += now[uid] in texts

with open(cache, "w") as f:
    json.dump({"validity": validity, "messages": now}, f)
print(again, len(now), len(set(now.values())))
