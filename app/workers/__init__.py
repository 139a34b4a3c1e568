"""The engine in processes of its own, on one machine.

Python lets one thread of a process run at a time, and a forward of a small network is hundreds of short
calls: two lanes in one process, or one lane beside a busy event loop, wait for each other at every call.
So the server (``pool``) lets one process compute pictures and another one molecules (``process``); both
are forked from a process that has loaded the models once and does nothing else (``zygote``), so they
share its memory and a new one is there in a moment when one dies. They talk in length-prefixed JSON
(``messages``), never in pickles.
"""
