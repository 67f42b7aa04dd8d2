"""What an ingress and an engine on another machine say to each other, on a TCP connection.

Whoever connects first sends the token, as it is, which only those have that Ray let ask for it. Then come the messages
of `engine/messages.py`, and besides:

From the engine: [WELCOME, version, fingerprint, precision, is_batch_invariant, clock]
                 [TICK, report, held, pace]: `held` requests of all ingresses have not ended, `pace` end a second
                 [PONG, clock]    [LEAVING]: no more requests, please

Something is told at least every second. Clocks of machines differ: the ingress says all times in the engine's.
"""

WELCOME, LEAVING = range(100, 102)
