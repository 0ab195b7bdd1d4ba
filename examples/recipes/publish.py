"""Publish and subscribe: publish.py publish COUNT | publish.py subscribe COUNT"""

import sys

import keyway


# [publish]
def publish(connection, count):
    topic = connection.make_topic("recipe/ticks", keep=64)  # late ones get the last 64
    for i in range(1, count + 1):
        connection.publish(topic, f"tick {i}")  # one write, however many subscribe
    print("published", flush=True)
    sys.stdin.readline()  # the topic ends with its owner, so stay until told
# [end]


# [subscribe]
def subscribe(connection, count):
    topic = connection.lookup("recipe/ticks")  # policy: READ
    with connection.subscribe(topic) as ticks:
        for _ in range(count):
            print(ticks.next().text)
        if ticks.lost:
            print(ticks.lost, "events were lost: we are too slow", file=sys.stderr)
# [end]


if __name__ == "__main__":
    with keyway.connect() as connection:
        {"publish": publish, "subscribe": subscribe}[sys.argv[1]](connection, int(sys.argv[2]))
