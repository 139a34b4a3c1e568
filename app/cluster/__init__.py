"""Past one machine, the optional extra ``[scale]``: the same engine in several processes under Ray Serve
(``replica``), the same web application in front of them (``relay``), rooms shared by several fronts through
Redis Streams (``room_stream``). Nothing else in ``app`` imports this."""
